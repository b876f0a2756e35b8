import { unscoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { inTransaction } from '../../db/transactions.ts';
import { longestWaitMs } from './outbox.ts';

/** How long the outcome of a mail is kept, milliseconds. */
const keptMs = 30 * 24 * 3600_000;

/** Gives up mails that have waited too long, and forgets old ones. Ageing is no revision. */
export async function ageMails(store: Store): Promise<void> {
  const now = store.now();
  const db = unscoped(store.db, 'ageing is the same for every tenant');
  await inTransaction(db, async (trx) => {
    await trx
      .updateTable('mails')
      .set((eb) => ({
        state: 'FAILED' as const,
        content: null,
        ended_at: now,
        failure: eb.fn.coalesce('failure', eb.val('The mail was not sent within a day')),
      }))
      .where('state', '=', 'WAITING')
      .where('created_at', '<=', now - longestWaitMs)
      .execute();
    await trx
      .deleteFrom('mails')
      .where('created_at', '<=', now - keptMs)
      .execute();
  });
}
