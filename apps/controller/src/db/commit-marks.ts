import type { Kysely } from 'kysely';
import type { GroupTransaction } from './group.ts';
import type { Database } from './schema.ts';
import { unscoped } from './scoped.ts';

const marks = (db: Kysely<Database>) =>
  unscoped(db, 'a mark tells of a transaction whether it was committed').insertInto('commit_marks');

/** Leaves a mark in a transaction, so that its fate can be found out when the answer to its commit is lost. */
export const leaveMark = (group: Pick<GroupTransaction, 'insert'>, id: string, at: number): void =>
  group.insert('insert commit mark', 'commit_marks', { id, at });

/**
 * Finds out whether a transaction was committed, by leaving its mark in a second transaction. Returns false when the mark
 * is there already: the first transaction was committed. Waits while the first transaction still runs.
 */
export async function takeMark(trx: Kysely<Database>, id: string, at: number): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await marks(trx)
    .values({ id, at })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirstOrThrow();
  return numInsertedOrUpdatedRows !== 0n;
}

/** How long marks are kept. Fates are asked for within seconds. */
const keptMs = 3_600_000;

/** Removes old marks. */
export async function forgetOldMarks({ db }: { readonly db: Kysely<Database> }, now: number): Promise<void> {
  await unscoped(db, 'ageing is the same for every tenant')
    .deleteFrom('commit_marks')
    .where('at', '<', now - keptMs)
    .execute();
}
