import type { AuditEvent } from '../../db/history.ts';
import type { Row } from '../../db/schema.ts';
import type { Scoped } from '../../db/scoped.ts';

/** An event of the audit trail as the database holds it. */
export type AuditRow = Row<'audit_events'>;

/** Which events are wanted. Times are epoch milliseconds; `to` is not included. */
export interface AuditFilter {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Id, name or kind of the actor. */
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly kind?: string | undefined;
  readonly object?: string | undefined;
}

/** Revisions, both included. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** Place of an event in its tenant's trail. */
export interface Place {
  readonly revision: number;
  readonly seq: number;
}

/** What the trail holds now: from behind the anchor, if old events were dropped, to the tenant's revision. */
export async function auditSpan(
  db: Scoped,
): Promise<Span & { readonly anchor: Row<'audit_anchors'> | null; readonly hash: string }> {
  const tenant = await db.selectTenant().select(['revision', 'audit_hash']).executeTakeFirst();
  const anchor = (await db.selectFrom('audit_anchors').selectAll().executeTakeFirst()) ?? null;
  return { first: (anchor?.revision ?? 0) + 1, last: tenant?.revision ?? 0, anchor, hash: tenant?.audit_hash ?? '' };
}

/** Returns how many events of a span fit a filter. */
export async function countEvents(db: Scoped, filter: AuditFilter, { first, last }: Span): Promise<number> {
  const { count } = await matching(db, filter, first, last)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

/** Returns a page of the events of a span that fit a filter, newest first. */
export function newestEvents(
  db: Scoped,
  filter: AuditFilter,
  { first, last }: Span,
  page: { readonly limit: number; readonly offset: number },
): Promise<AuditRow[]> {
  return matching(db, filter, first, last)
    .selectAll()
    .orderBy('revision', 'desc')
    .orderBy('seq', 'desc')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
}

/** The oldest events of a span behind a place. */
export function eventsBehind(
  db: Scoped,
  filter: AuditFilter,
  { first, last }: Span,
  behind: Place,
  limit: number,
): Promise<AuditRow[]> {
  return matching(db, filter, Math.max(first, behind.revision), last)
    .selectAll()
    .where((eb) =>
      eb.or([
        eb('revision', '>', behind.revision),
        eb.and([eb('revision', '=', behind.revision), eb('seq', '>', behind.seq)]),
      ]),
    )
    .orderBy('revision')
    .orderBy('seq')
    .limit(limit)
    .execute();
}

/** Drops events and the change feed up to a revision; the chain begins behind the last event that goes. */
export async function dropThrough(db: Scoped, last: Pick<AuditEvent, 'revision' | 'seq' | 'hash'>): Promise<void> {
  await db.deleteFrom('audit_events').where('revision', '<=', last.revision).execute();
  await db.deleteFrom('change_log').where('revision', '<=', last.revision).execute();
  await db.deleteFrom('audit_anchors').execute();
  await db.insertInto('audit_anchors', { revision: last.revision, seq: last.seq, hash: last.hash }).execute();
}

function matching(db: Scoped, { from, to, actor, action, kind, object }: AuditFilter, first: number, last: number) {
  let query = db.selectFrom('audit_events').where('revision', '>=', first).where('revision', '<=', last);
  if (from !== undefined) query = query.where('at', '>=', from);
  if (to !== undefined) query = query.where('at', '<', to);
  if (action !== undefined) query = query.where('action', '=', action);
  if (kind !== undefined) query = query.where('kind', '=', kind);
  if (object !== undefined) query = query.where('object_id', '=', object.toLowerCase());
  if (actor === undefined) return query;
  return query.where((eb) =>
    eb.or([eb('actor_id', '=', actor), eb('actor_name', '=', actor), eb('actor_kind', '=', actor)]),
  );
}
