import type { Row } from '../../db/schema.ts';
import type { Scoped } from '../../db/scoped.ts';

/** Where the feed begins and ends: it can go on from any revision of these, both included. */
export async function feedSpan(db: Scoped): Promise<{ first: number; last: number }> {
  const tenant = await db.selectTenant().select('revision').executeTakeFirst();
  // Old changes are dropped together with the audit events of their revisions.
  const anchor = await db.selectFrom('audit_anchors').select('revision').executeTakeFirst();
  return { first: anchor?.revision ?? 0, last: tenant?.revision ?? 0 };
}

/** Changes of the revisions after `behind`, up to and including `last`, in order. */
export function changesBetween(db: Scoped, behind: number, last: number): Promise<Row<'change_log'>[]> {
  return db
    .selectFrom('change_log')
    .selectAll()
    .where('revision', '>', behind)
    .where('revision', '<=', last)
    .orderBy('revision')
    .orderBy('seq')
    .execute();
}
