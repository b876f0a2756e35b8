import type { Row } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

export type EnrolmentKeyRow = Row<'enrolment_keys'>;

export const findKey = (db: Scoped, id: string): Promise<EnrolmentKeyRow | undefined> =>
  db.selectFrom('enrolment_keys').selectAll().where('id', '=', id).executeTakeFirst();

/** Keys made since a moment, newest first. */
export const keysSince = (db: Scoped, since: number): Promise<EnrolmentKeyRow[]> =>
  db
    .selectFrom('enrolment_keys')
    .selectAll()
    .where('created_at', '>=', since)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();

export const insertKey = (tx: Tx, row: Required<WithoutTenant<'enrolment_keys'>>): Promise<void> =>
  tx.scoped.insert('enrolment_keys', row);

export async function markUsed(tx: Tx, id: string): Promise<void> {
  await tx.scoped.updateTable('enrolment_keys').set({ used_at: tx.now }).where('id', '=', id).execute();
}

export async function deleteKey(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('enrolment_keys').where('id', '=', id).execute();
}
