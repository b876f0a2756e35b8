import type pg from 'pg';
import { OperatorError } from '../../errors.ts';
import {
  isForeign,
  type Migrations,
  migrationText,
  newerSchema,
  notesAfter,
  pendingMigrations,
  type SchemaState,
  schemaNotes,
  schemaState,
} from '../schema-versions.ts';
import { refuseUnderOlder } from './older-controllers.ts';
import { type PostgresPlace, shownPlace } from './place.ts';

/**
 * Migrates a PostgreSQL database to the newest schema, as `migrate` does it with the embedded one: in one transaction. The
 * caller holds the controller's lock. Throws OperatorError.
 */
export async function migratePostgres(client: pg.Client, place: PostgresPlace, migrations: Migrations): Promise<void> {
  const state = await schemaOf(client);
  refuseUnusable(state, place, migrations);
  if (pendingMigrations(state, migrations).length === 0) return;
  await refuseUnderOlder(client, state, migrations);
  await client.query('BEGIN');
  try {
    await applyPending(client, state, migrations);
    await client.query(patiently('COMMIT'));
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** A migration may take this long, and its commit: a table may be large. Another statement may take seconds. */
const patienceMs = 24 * 3600_000;

const patiently = (text: string): pg.QueryConfig & { readonly query_timeout: number } => ({
  text,
  query_timeout: patienceMs,
});

/** Applies the migrations that a schema lacks, in a transaction of the caller. */
export async function applyPending(client: pg.Client, state: SchemaState, migrations: Migrations): Promise<void> {
  const pending = pendingMigrations(state, migrations);
  await client.query(
    'CREATE TABLE IF NOT EXISTS migrations (name TEXT COLLATE "C" PRIMARY KEY, applied_at BIGINT NOT NULL)',
  );
  for (const name of pending) await apply(client, name, migrations);
  for (const note of notesAfter(state, pending, migrations)) await client.query(setNote, note);
}

const setNote = 'INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value';

async function apply(client: pg.Client, name: string, migrations: Migrations): Promise<void> {
  await client.query(patiently(migrationText(name, migrations)));
  await client.query(
    'INSERT INTO migrations (name, applied_at) VALUES ($1, floor(extract(epoch FROM clock_timestamp()) * 1000))',
    [name],
  );
}

/** Throws OperatorError when the database is of another program, or of a newer version that this one cannot live with. */
export function refuseUnusable(state: SchemaState, place: PostgresPlace, migrations: Migrations): void {
  if (isForeign(state))
    throw new OperatorError(
      `the database ${shownPlace(place)} holds tables of another program: give Sallyport a database or a schema of its own`,
    );
  const newer = newerSchema(state, migrations);
  if (newer === null) return;
  throw new OperatorError(
    `the database ${shownPlace(place)} was written by a newer version of Sallyport (${newer.named}): start ${newer.start}, or bring back a dump that was made with this version (${migrations.version})`,
  );
}

/** Returns what a PostgreSQL database tells of its schema. */
export async function schemaOf(client: pg.Client): Promise<SchemaState> {
  const tables = new Set(await texts(client, tablesText));
  const applied = tables.has('migrations') ? await texts(client, 'SELECT name AS text FROM migrations') : [];
  const notes = new Map<string, string>();
  if (tables.has('meta')) {
    const { rows } = await client.query('SELECT key, value FROM meta WHERE key = ANY($1)', [
      Object.values(schemaNotes),
    ]);
    for (const { key, value } of rows) notes.set(key, value);
  }
  return schemaState(tables, applied, notes);
}

const tablesText = `SELECT relname AS text FROM pg_class
  WHERE relkind IN ('r', 'p', 'f') AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())`;

const texts = async (client: pg.Client, sql: string): Promise<string[]> =>
  (await client.query<{ text: string }>(sql)).rows.map(({ text }) => text);
