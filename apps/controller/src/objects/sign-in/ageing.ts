import { unscoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { inTransaction } from '../../db/transactions.ts';

/** Accounts and sources whose guesses are remembered. Those whose windows end first are forgotten first. */
const remembered = 100_000;

/** Forgets finished attempts, codes of command lines and counts of guesses that have ended. */
export async function ageSignIn(store: Store): Promise<void> {
  const now = store.now();
  await inTransaction(unscoped(store.db, 'ageing is the same for every tenant'), async (trx) => {
    await trx.deleteFrom('finished_attempts').where('ends_at', '<=', now).execute();
    await trx.deleteFrom('cli_codes').where('ends_at', '<=', now).execute();
    await trx.deleteFrom('guess_windows').where('ends_at', '<=', now).execute();
    const spare = await trx
      .selectFrom('guess_windows')
      .select('ends_at')
      .orderBy('ends_at', 'desc')
      .limit(1)
      .offset(remembered)
      .executeTakeFirst();
    if (spare !== undefined) await trx.deleteFrom('guess_windows').where('ends_at', '<=', spare.ends_at).execute();
  });
}
