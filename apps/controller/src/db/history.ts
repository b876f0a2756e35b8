import { createHash } from 'node:crypto';
import { encodeJson } from './json.ts';
import type { NewRow } from './schema.ts';
import type { Change, Tx, WriteContext } from './store.ts';

/**
 * Takes the tenant's next revision and writes what happened: the audit trail for people, each event holding the hash
 * of the one before it, and the change feed for programs. Returns the revision.
 */
export async function writeHistory(tx: Tx, context: WriteContext, changes: readonly Change[]): Promise<number> {
  const { revision } = await tx.db
    .updateTable('tenants')
    .set((eb) => ({ revision: eb('revision', '+', 1) }))
    .where('id', '=', tx.tenant)
    .returning('revision')
    .executeTakeFirstOrThrow();
  let previous = await lastHash(tx);
  const events = changes.map((change, seq) => {
    const event = auditEvent(tx, context, change, revision, seq, previous);
    previous = event.hash;
    return event;
  });
  const feed = changes.map(({ kind, id, op }, seq) => ({ revision, seq, kind, object_id: id, op }));
  for (const part of slices(events)) await tx.scoped.insertInto('audit_events', part).execute();
  for (const part of slices(feed)) await tx.scoped.insertInto('change_log', part).execute();
  return revision;
}

const genesis = '0'.repeat(64);

async function lastHash(tx: Tx): Promise<string> {
  const last = await tx.scoped
    .selectFrom('audit_events')
    .select('hash')
    .orderBy('revision', 'desc')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  return last?.hash ?? genesis;
}

type AuditEvent = Omit<NewRow<'audit_events'>, 'tenant_id'>;

function auditEvent(
  tx: Tx,
  context: WriteContext,
  change: Change,
  revision: number,
  seq: number,
  previous: string,
): AuditEvent {
  const event = {
    revision,
    seq,
    at: tx.now,
    actor_kind: context.actor.kind,
    actor_id: context.actor.id,
    actor_name: context.actor.name,
    source_ip: context.sourceIp,
    request_id: context.requestId,
    action: context.action,
    kind: change.kind,
    object_id: change.id,
    before: change.before ? encodeJson(change.before) : null,
    after: change.after ? encodeJson(change.after) : null,
    prev_hash: previous,
  };
  const hash = createHash('sha256')
    .update(encodeJson([tx.tenant, ...Object.values(event)]))
    .digest('hex');
  return { ...event, hash };
}

/** Rows per INSERT: SQLite takes a bounded number of parameters per statement. */
const rowsPerInsert = 200;

function* slices<T>(rows: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < rows.length; at += rowsPerInsert) yield rows.slice(at, at + rowsPerInsert);
}
