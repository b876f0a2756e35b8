import { randomUUIDv7 } from 'node:crypto';
import { bySystem } from '../../db/contexts.ts';
import { decodeJson, encodeJson } from '../../db/json.ts';
import { type Scoped, scoped, unscoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import type { SecretBox } from '../../secrets/box.ts';
import type { Outbox } from '../mail/outbox.ts';
import { type UserRow, userByEmail } from '../users/queries.ts';
import { findTenant } from './account.ts';
import { noteUser } from './hand-over.ts';
import { issueLink } from './links.ts';
import { methodOf, methodsOf } from './methods.ts';
import { settingsRow, signInSettings } from './settings.ts';

/** Requests that wait at once, of all tenants. */
const atOnce = 1000;
/** Binds a sealed request for a new password to its place. */
export const forgottenPurpose = 'forgotten password';

/** What a person types who has forgotten the password. */
export interface ForgottenPassword {
  /** Short name of the tenant; left out where there is one tenant. */
  readonly tenant?: string | undefined;
  readonly email: string;
}

/**
 * Stores a request for a new password. It looks nothing up, so it costs the same and answers the same for an account that
 * does not exist.
 */
export async function askForPassword(
  { store, box }: { readonly store: Store; readonly box: SecretBox },
  request: ForgottenPassword,
): Promise<void> {
  const db = unscoped(store.db, 'whose password was forgotten is found out later');
  const { present } = await db
    .selectFrom('forgotten_passwords')
    .select((eb) => eb.fn.countAll<number>().as('present'))
    .executeTakeFirstOrThrow();
  if (present >= atOnce) throw new ApiError('rate_limited', 'Too many people ask for a new password now', [], 60);
  const row = { id: randomUUIDv7(), created_at: store.now(), content: box.seal(encodeJson(request), forgottenPurpose) };
  await db.insertInto('forgotten_passwords').values(row).execute();
}

/** Answers the requests for a new password: those of accounts with a password get a mail. */
export async function answerForgotten(deps: {
  readonly store: Store;
  readonly box: SecretBox;
  readonly outbox: Outbox;
}): Promise<void> {
  const { store, box } = deps;
  const db = unscoped(store.db, 'whose password was forgotten is found out now');
  const rows = await db.selectFrom('forgotten_passwords').selectAll().orderBy('id').execute();
  for (const { id, content } of rows) {
    const { tenant: slug, email } = decodeJson<ForgottenPassword>(box.open(content, forgottenPurpose));
    const tenant = await findTenant(store, slug);
    const user = tenant === null ? null : await accountWithPassword(scoped(store.db, tenant), email);
    if (user === null) await db.deleteFrom('forgotten_passwords').where('id', '=', id).execute();
    else await mailLink(deps, id, user);
  }
}

/** Forgets requests that were not answered within an hour. */
export async function ageForgotten(store: Store): Promise<void> {
  await unscoped(store.db, 'ageing is the same for every tenant')
    .deleteFrom('forgotten_passwords')
    .where('created_at', '<=', store.now() - 3600_000)
    .execute();
}

/** Who has no password has none to forget: a mailbox must not open an account that a passkey protects. */
async function accountWithPassword(db: Scoped, email: string): Promise<UserRow | null> {
  const user = await userByEmail(db, email);
  if (user?.status !== 'ACTIVE') return null;
  if (!signInSettings(await settingsRow(db)).methods.includes('PASSWORD')) return null;
  return methodOf(await methodsOf(db, user.id), 'PASSWORD') === null ? null : user;
}

/** The request ends in the transaction of its mail, so that it is answered once. */
async function mailLink(
  { store, outbox }: { readonly store: Store; readonly outbox: Outbox },
  request: string,
  user: UserRow,
): Promise<void> {
  await store.write(bySystem(user.tenant_id, 'forgotPassword'), async (tx) => {
    const { numDeletedRows } = await unscoped(tx.db, 'the request ends with its mail')
      .deleteFrom('forgotten_passwords')
      .where('id', '=', request)
      .executeTakeFirstOrThrow();
    if (numDeletedRows === 0n) return;
    const { id, secret } = await issueLink(tx, 'PASSWORD', user.id, null);
    await outbox.post(tx, user.id, { kind: 'FORGOTTEN', secret }, id);
    noteUser(tx, user, { link: 'PASSWORD', askedBy: 'the person, by mail' });
  });
}
