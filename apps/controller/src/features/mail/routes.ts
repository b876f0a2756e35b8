import type { SentMail } from '@sallyport/contract';
import type { SharedSpending } from '../../budgets/shared-spending.ts';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { ApiError, invalidField } from '../../errors.ts';
import type { Handlers, RequestContext } from '../../http/handlers.ts';
import { writeLetter } from '../../mail/letters.ts';
import type { Mail } from '../../mail/types.ts';
import { newestOfTenant } from '../../objects/mail/queries.ts';
import type { MailRow } from '../../objects/mail/views.ts';
import { requirePlace } from '../../objects/sign-in/deps.ts';
import { settingsRow } from '../../objects/sign-in/settings.ts';
import { findUser, findUsers, type UserRow } from '../../objects/users/queries.ts';
import { TestMailBudget } from './test-mail-budget.ts';

/** What the operations on mail need. */
interface MailRouteDeps {
  readonly spending: Pick<SharedSpending, 'share'>;
  readonly store: Store;
  readonly mail: Mail;
  readonly signInUrl: () => string;
}

/** Mails as answers list them. */
const listed = 100;

/** The mail of the controller, as a tenant sees it. */
export const mailFeature = { routes: mailRoutes };

function mailRoutes(deps: MailRouteDeps): Handlers<'getMailStatus' | 'sendTestMail'> {
  const { store, mail } = deps;
  const budget = new TestMailBudget(store.now, deps.spending);
  return {
    getMailStatus: {
      read: ({ tenant }) =>
        store.read(async (open) => {
          const db = scoped(open, tenant);
          const mails = await views(db, await newestOfTenant(db, listed));
          const [from, problem] = [mail.from, mail.problem()];
          if (from === null) return { body: { enabled: false, mails } };
          return { body: { enabled: true, from, ...(problem === null ? {} : { problem }), mails } };
        }),
    },
    sendTestMail: {
      read: async (context, { body }) => {
        const { url } = requirePlace(deps);
        if (mail.from === null) throw new ApiError('mail_off', 'The operator sets SALLYPORT_SMTP_URL');
        const db = scoped(store.db, context.tenant);
        const { email } = await recipient(db, context, body.user ?? null);
        budget.spend(context.tenant);
        const { name } = await settingsRow(db);
        const facts = { tenant: name, url: `${url}/console/`, at: store.now() };
        await mail.sendNow(email, writeLetter({ kind: 'TEST' }, facts));
        return { body: { sentTo: email } };
      },
    },
  };
}

/** Only users of the tenant get test mails, so that this sends no mail to strangers. */
async function recipient(db: Scoped, { caller }: RequestContext, named: string | null): Promise<UserRow> {
  if (named === null && caller.session === null) throw invalidField('/user', 'is needed: an API key has no address');
  const user = await findUser(db, named ?? caller.actor.id);
  if (user === undefined) throw invalidField('/user', 'is not the id of a user', 'invalid_reference');
  return user;
}

async function views(db: Scoped, rows: readonly MailRow[]): Promise<SentMail[]> {
  const users = new Map((await findUsers(db, [...new Set(rows.map(({ user_id }) => user_id))])).map((u) => [u.id, u]));
  return rows.flatMap((row) => {
    const user = users.get(row.user_id);
    return user === undefined ? [] : [view(row, user)];
  });
}

const view = (row: MailRow, { id, email }: UserRow): SentMail => ({
  id: row.id,
  createdAt: iso(row.created_at),
  user: { id, email },
  kind: row.kind,
  state: row.state,
  ...(row.ended_at === null ? {} : { endedAt: iso(row.ended_at) }),
  ...(row.state === 'WAITING' ? { nextTryAt: iso(row.next_try_at) } : {}),
  ...(row.failure === null ? {} : { failure: row.failure }),
});

const iso = (at: number): string => new Date(at).toISOString();
