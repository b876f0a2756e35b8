import { setTimeout as sleep } from 'node:timers/promises';
import { compareVersions, isVersion } from '@sallyport/release';
import type pg from 'pg';
import { OperatorError } from '../../errors.ts';
import { type Migrations, notesAfter, pendingMigrations, type SchemaState, schemaNotes } from '../schema-versions.ts';
import { replicaSpace } from './session.ts';

/** A controller counts as running while its lease lasts, or its session. One that was killed is waited for. */
const [leaseMs, patienceMs, lookMs] = [6_000, 8_000, 200];

interface Running {
  readonly id: string;
  readonly name: string;
  readonly version: string;
}

/**
 * Waits until no controller runs that could not go on after these migrations. Throws OperatorError with the names of those
 * that still do. Others may start only after this process has.
 */
export async function refuseUnderOlder(client: pg.Client, state: SchemaState, migrations: Migrations): Promise<void> {
  const pending = pendingMigrations(state, migrations);
  if (pending.length === 0 || !state.tables.has('replicas')) return;
  const oldest = new Map(notesAfter(state, pending, migrations)).get(schemaNotes.oldest) ?? migrations.version;
  const until = performance.now() + patienceMs;
  for (;;) {
    const { rows } = await client.query<Running>(runningText, [replicaSpace, leaseMs]);
    const older = rows.filter(({ version }) => !isVersion(version) || compareVersions(version, oldest) < 0);
    if (older.length === 0) return;
    if (performance.now() > until) throw new OperatorError(refusal(older, oldest, migrations));
    await sleep(lookMs);
  }
}

const runningText = `SELECT id, name, version FROM replicas
  WHERE seen_at > extract(epoch FROM clock_timestamp()) * 1000 - $2
  OR EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = $1 AND objid = lock_key
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
  ORDER BY name, id`;

function refusal(older: readonly Running[], oldest: string, { version }: Migrations): string {
  const names = older.map(({ name, version, id }) => `${name} (version ${version}, ${id})`).join(', ');
  return `version ${version} changes the database so that controllers before ${oldest} cannot go on with it, and they use it: ${names}. Nothing was changed. Stop them first, then start this one`;
}
