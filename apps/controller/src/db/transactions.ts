import type { Kysely, Transaction } from 'kysely';
import { hasRowLocks } from './dialect.ts';
import { isConflict } from './postgres/failures.ts';
import type { Database } from './schema.ts';

/** Runs several queries on one state of the database. They may run more than once. */
export const readAtOnce = <T>(db: Kysely<Database>, work: (db: Kysely<Database>) => Promise<T>): Promise<T> =>
  hasRowLocks(db)
    ? untilNoConflict(() =>
        db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only').execute(work),
      )
    : db.connection().execute(work);

/** Times that a transaction is run when it keeps meeting others. */
const tries = 5;

async function untilNoConflict<T>(run: () => Promise<T>): Promise<T> {
  for (let left = tries; ; left--) {
    try {
      return await run();
    } catch (error) {
      if (left <= 1 || !isConflict(error)) throw error;
    }
  }
}

/**
 * Runs `work` in a transaction, and repeats it when the database has ended it in favour of a simultaneous one. Each
 * statement sees what was committed before it.
 */
export function inTransaction<T>(db: Kysely<Database>, work: (trx: Transaction<Database>) => Promise<T>): Promise<T> {
  return untilNoConflict(() => db.transaction().setIsolationLevel('read committed').execute(work));
}
