import { hash as hashOf } from 'node:crypto';
import { hasRowLocks } from './dialect.ts';
import { encodeJson } from './json.ts';
import type { WithoutTenant } from './scoped.ts';
import type { Change, Head, Tx, WriteContext } from './types.ts';

type HeadPlace = Pick<Tx, 'tenant' | 'db' | 'scoped' | 'known'>;

/**
 * Locks the tenant's head row until the transaction ends, and returns the head; null while the tenant does not exist.
 * With the lock first, whatever a write reads afterwards stays true until it commits: no other write of the tenant runs.
 */
export async function lockHead({ tenant, db, scoped, known }: HeadPlace): Promise<Head | null> {
  const locked = known<Head>(`head ${tenant}`);
  if (locked !== undefined) return locked;
  const [row] = await scoped.run('lock head', [tenant], () =>
    scoped
      .selectTenant()
      .select(['revision', 'audit_hash'])
      .$if(hasRowLocks(db), (query) => query.forUpdate())
      .compile(),
  );
  return row === undefined ? null : { revision: row.revision, hash: row.audit_hash };
}

/**
 * Writes what happened: the audit trail for people, each event with the hash of the event before it, and the change log for
 * programs under the tenant's next revision. `head`: as `lockHead` returned it. Returns the new head. Its revision is the
 * old one when all of the changes are for the audit trail alone: those events stand behind the ones of that revision.
 */
export async function writeHistory(
  tx: Tx,
  context: WriteContext,
  changes: readonly Change[],
  head: Head | null,
): Promise<Head> {
  const followed = changes.filter(({ auditOnly }) => auditOnly !== true);
  const isNew = followed.length > 0;
  const revision = (head?.revision ?? 0) + (isNew ? 1 : 0);
  const first = isNew ? 0 : await nextSeq(tx, revision);
  let hash = head?.hash ?? genesisHash;
  const audited = changes.filter(({ feedOnly }) => feedOnly !== true);
  const events = audited.map((change, i) => {
    const event = auditEvent(tx, context, change, revision, first + i, hash);
    hash = event.hash;
    return event;
  });
  for (const event of events) await tx.scoped.insert('audit_events', event);
  for (const [seq, { kind, id, op }] of followed.entries())
    await tx.scoped.insert('change_log', { revision, seq, kind, object_id: id, op });
  if (head === null) await requireTenant(tx);
  moveHead(tx, { revision, hash });
  return { revision, hash };
}

/** Returns the place behind the last audit event of a revision. */
async function nextSeq(tx: Tx, revision: number): Promise<number> {
  const { last } = await tx.scoped
    .selectFrom('audit_events')
    .select((eb) => eb.fn.max('seq').as('last'))
    .where('revision', '=', revision)
    .executeTakeFirstOrThrow();
  return (last ?? -1) + 1;
}

/** An event of the audit trail as the database stores it. */
export type AuditEvent = Required<WithoutTenant<'audit_events'>>;

/** Returns the hash of an audit event: over its tenant, its stored columns, and the hash of the event before it. */
export function auditHash(tenant: string, event: Omit<AuditEvent, 'hash'>): string {
  const { revision, seq, at, actor_kind, actor_id, actor_name, source_ip, request_id } = event;
  const { action, kind, object_id, before, after, prev_hash } = event;
  const who = [actor_kind, actor_id, actor_name, source_ip, request_id];
  const what = [action, kind, object_id, before, after];
  return hashOf('sha256', encodeJson([tenant, revision, seq, at, ...who, ...what, prev_hash]));
}

/** Stands for the hash before the first event of a tenant. */
export const genesisHash = '0'.repeat(64);

async function requireTenant(tx: Tx): Promise<void> {
  const found = await tx.scoped.selectTenant().select('id').executeTakeFirst();
  if (found === undefined) throw new Error(`there is no tenant ${tx.tenant}`);
}

/** Stores the head before the next statement, and keeps it for the next write of the transaction. */
function moveHead(tx: Tx, head: Head): void {
  const stored = tx.scoped.compiled('move head', [head.revision, head.hash, tx.tenant], () =>
    tx.scoped.updateTenant().set({ revision: head.revision, audit_hash: head.hash }).compile(),
  );
  tx.know(`head ${tx.tenant}`, head, stored);
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
    action: change.operation ?? context.action,
    kind: change.kind,
    object_id: change.id,
    before: change.before ? encodeJson(change.before) : null,
    after: afterOf(change),
    prev_hash: previous,
  };
  return { ...event, hash: auditHash(tx.tenant, event) };
}

/** Returns the object after the change, or at least its name when only related or secret data changed. */
function afterOf({ before, after, name, action }: Change): string | null {
  if (after) return encodeJson(after);
  return before || name === undefined ? null : encodeJson(action === undefined ? { name } : { name, action });
}
