import { scoped, unscoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { type AuditRow, auditSpan, dropThrough, eventsBehind, newestEvents } from './store.ts';

/**
 * Drops events that are older than their tenant keeps them, with the change feed of the same revisions. Only whole
 * revisions at the beginning of the trail are dropped, and the anchor moves in the same transaction. Without work to do,
 * it costs a few small queries per tenant with a limit.
 */
export async function dropOldEvents(store: Store): Promise<void> {
  const tenants = await unscoped(store.db, 'ageing is the same for every tenant')
    .selectFrom('tenants')
    .select(['id', 'audit_retention_days'])
    .where('audit_retention_days', 'is not', null)
    .execute();
  for (const { id, audit_retention_days: days } of tenants) {
    const before = store.now() - (days ?? 0) * dayMs;
    while (await dropSlice(store, id, before));
  }
}

const dayMs = 24 * 3600 * 1000;
/** Events per transaction: a few milliseconds. */
const sliceSize = 500;

/** False when nothing more is due. */
async function dropSlice(store: Store, tenant: string, before: number): Promise<boolean> {
  const last = await lastDue(store, tenant, before);
  if (last === null) return false;
  const context = { tenant, actor, action: 'drop old audit events', sourceIp: null, requestId: null };
  // No object changes: this takes no revision and makes no event.
  await store.write(context, (tx) => dropThrough(tx.scoped, last));
  return true;
}

const actor = { kind: 'system', id: null, name: 'controller' } as const;

/** End of the last revision, of a slice, of which every event before is due as well. */
async function lastDue(store: Store, tenant: string, before: number): Promise<AuditRow | null> {
  const db = scoped(store.db, tenant);
  const span = await auditSpan(db);
  const rows = await eventsBehind(db, {}, span, { revision: span.first - 1, seq: 0 }, sliceSize);
  const kept = rows.findIndex(({ at }) => at >= before);
  const last = (kept === -1 ? rows : rows.slice(0, kept)).at(-1);
  if (last === undefined) return null;
  // All events of a revision are of one moment; the slice may end in the middle of one.
  const revision = { first: last.revision, last: last.revision };
  return (await newestEvents(db, {}, revision, { limit: 1, offset: 0 }))[0] ?? null;
}
