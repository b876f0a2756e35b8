import { createHash } from 'node:crypto';
import { runCompiled } from './compiled.ts';
import { encodeJson } from './json.ts';
import type { WithoutTenant } from './scoped.ts';
import type { Change, Tx, WriteContext } from './types.ts';

/** Hash of the last audit event of tenants, each with the revision that it stands for. */
export type ChainHeads = Map<string, { readonly revision: number; readonly hash: string }>;

/**
 * Takes the tenant's next revision and writes what happened: the audit trail for people, each event holding the hash
 * of the one before it, and the change feed for programs. Returns the revision. `heads` spares a query while nobody else
 * has written; entries of a write that is undone must be removed.
 */
export async function writeHistory(
  tx: Tx,
  context: WriteContext,
  changes: readonly Change[],
  heads: ChainHeads,
): Promise<number> {
  const revision = await takeRevision(tx);
  const head = heads.get(tx.tenant);
  let hash = head?.revision === revision - 1 ? head.hash : await lastHash(tx);
  const events = changes.map((change, seq) => {
    const event = auditEvent(tx, context, change, revision, seq, hash);
    hash = event.hash;
    return event;
  });
  const feed = changes.map(({ kind, id, op }, seq) => ({ revision, seq, kind, object_id: id, op }));
  await insertAll(tx, 'audit_events', events);
  await insertAll(tx, 'change_log', feed);
  heads.set(tx.tenant, { revision, hash });
  return revision;
}

/** An event of the audit trail as it is stored. */
export type AuditEvent = Required<WithoutTenant<'audit_events'>>;

/** Hash of an audit event: over its tenant, its columns as they are stored, and the hash of the event before it. */
export function auditHash(tenant: string, event: Omit<AuditEvent, 'hash'>): string {
  const { revision, seq, at, actor_kind, actor_id, actor_name, source_ip, request_id } = event;
  const { action, kind, object_id, before, after, prev_hash } = event;
  const who = [actor_kind, actor_id, actor_name, source_ip, request_id];
  const what = [action, kind, object_id, before, after];
  return createHash('sha256')
    .update(encodeJson([tenant, revision, seq, at, ...who, ...what, prev_hash]))
    .digest('hex');
}

/** What the first event of a tenant holds in the place of the hash before it. */
export const genesisHash = '0'.repeat(64);

async function takeRevision(tx: Tx): Promise<number> {
  const { rows } = await runCompiled(tx.db, 'take revision', [1, tx.tenant], () =>
    tx.db
      .updateTable('tenants')
      .set((eb) => ({ revision: eb('revision', '+', 1) }))
      .where('id', '=', tx.tenant)
      .returning('revision')
      .compile(),
  );
  const [row] = rows;
  if (row === undefined) throw new Error(`there is no tenant ${tx.tenant}`);
  return row.revision;
}

async function insertAll<T extends 'audit_events' | 'change_log'>(
  tx: Tx,
  table: T,
  rows: readonly Required<WithoutTenant<T>>[],
): Promise<void> {
  const [only] = rows;
  if (rows.length === 1 && only !== undefined) return tx.scoped.insert(table, only);
  for (const part of slices(rows)) await tx.scoped.insertInto(table, part).execute();
}

async function lastHash(tx: Tx): Promise<string> {
  const last = await tx.scoped
    .selectFrom('audit_events')
    .select('hash')
    .orderBy('revision', 'desc')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (last !== undefined) return last.hash;
  // All were too old to be kept: the chain goes on from the last one that was dropped.
  const anchor = await tx.scoped.selectFrom('audit_anchors').select('hash').executeTakeFirst();
  return anchor?.hash ?? genesisHash;
}

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
    after: afterOf(change),
    prev_hash: previous,
  };
  return { ...event, hash: auditHash(tx.tenant, event) };
}

/** An object that is another one only by what hangs on it, or by what is not told, is at least named. */
function afterOf({ before, after, name, action }: Change): string | null {
  if (after) return encodeJson(after);
  return before || name === undefined ? null : encodeJson(action === undefined ? { name } : { name, action });
}

/** Rows per INSERT: SQLite takes a bounded number of parameters per statement. */
const rowsPerInsert = 200;

function* slices<T>(rows: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < rows.length; at += rowsPerInsert) yield rows.slice(at, at + rowsPerInsert);
}
