import type { Row } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

/** An enrolment key as the database holds it: a hash of its secret, never the key. */
export type EnrolmentKeyRow = Row<'enrolment_keys'>;

/** Returns a key; undefined when there is none with this id. */
export const findKey = (db: Scoped, id: string): Promise<EnrolmentKeyRow | undefined> =>
  db.selectFrom('enrolment_keys').selectAll().where('id', '=', id).executeTakeFirst();

/** Returns the keys created since a time, newest first. */
export const keysSince = (db: Scoped, since: number): Promise<EnrolmentKeyRow[]> =>
  db
    .selectFrom('enrolment_keys')
    .selectAll()
    .where('created_at', '>=', since)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();

/** Inserts a key. */
export const insertKey = (tx: Tx, row: Required<WithoutTenant<'enrolment_keys'>>): Promise<void> =>
  tx.scoped.insert('enrolment_keys', row);

/** Notes that a key was used now. */
export async function markUsed(tx: Tx, id: string): Promise<void> {
  await tx.scoped.updateTable('enrolment_keys').set({ used_at: tx.now }).where('id', '=', id).execute();
}

/** Deletes a key. */
export async function deleteKey(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('enrolment_keys').where('id', '=', id).execute();
}
