import type { Input } from '@sallyport/contract';
import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import type { ActContext } from '../../http/handlers.ts';
import { findTenant } from '../../objects/sign-in/account.ts';
import { attemptOf, requirePlace, type SignInDeps } from '../../objects/sign-in/deps.ts';
import type { Guess } from '../../objects/sign-in/guessing.ts';
import { dataOf, type MethodRow, methodOf, methodsOf, useMethod } from '../../objects/sign-in/methods.ts';
import { requireMethod, settingsRow, signInSettings } from '../../objects/sign-in/settings.ts';
import { emailKey } from '../../objects/users/email-key.ts';
import { type UserRow, userByEmail } from '../../objects/users/queries.ts';
import { type Entered, enter, noteSignIn, refusedText, writtenBy } from './person.ts';
import { secondFactorOf, stillSet } from './second-factor.ts';

/** An account that may exist. Everything about one that does not is null or empty. */
interface Account {
  readonly user: UserRow | null;
  readonly methods: readonly MethodRow[];
}

/**
 * Signs in with a password and, where one is set, a second factor. Answers and time are the same for accounts that do not
 * exist. The code is asked for only after the password was right.
 */
export async function signInWithPassword(
  deps: SignInDeps,
  context: ActContext,
  { email, password, code, tenant: slug }: Input<'signInWithPassword'>['body'],
): Promise<Entered> {
  requirePlace(deps);
  const { store, guesses } = deps;
  const tenant = await findTenant(store, slug);
  // One account has one limit, with and without the short name.
  const attempt = attemptOf(`${tenant ?? slug ?? ''} ${emailKey(email)}`, context);
  const answer = await guesses.guard(attempt, async (guess) => {
    const account = await findAccount(store, tenant, email);
    return enterWith(deps, context, { account, password, code, guess });
  });
  await guesses.succeeded(attempt);
  return answer;
}

/** What was given for an account. */
interface Given {
  readonly account: Account;
  readonly password: string;
  readonly code: string | undefined;
  readonly guess: Guess;
}

async function enterWith(
  deps: SignInDeps,
  context: ActContext,
  { account, password, code, guess }: Given,
): Promise<Entered> {
  const { store } = deps;
  const stored = methodOf(account.methods, 'PASSWORD');
  const right = await deps.hasher.verify(password, stored === null ? null : dataOf(stored, 'PASSWORD').hash);
  const { user } = account;
  if (!right || user === null || stored === null) {
    guess.wrong();
    noteFailure(deps, context, guess.first ? user : null, 'the password was wrong');
    throw new ApiError('sign_in_failed', refusedText);
  }
  const settings = signInSettings(await settingsRow(scoped(store.db, user.tenant_id)));
  requireMethod(settings, 'PASSWORD');
  const second = secondFactorOf(deps, account.methods, code);
  if (second === null && account.methods.some(({ kind }) => kind === 'TOTP')) {
    if (code === undefined) throw new ApiError('second_factor_required');
    guess.wrong();
    noteFailure(deps, context, guess.first ? user : null, 'the code was wrong');
    throw new ApiError('sign_in_failed', 'The code is wrong, was used already, or is too old');
  }
  if (second === null && settings.secondFactor === 'REQUIRED')
    throw new ApiError(
      'method_not_allowed_here',
      'The tenant requires a second factor, and the account has none: ask an administrator for a new link',
    );
  return enter(deps, context, {
    user,
    method: 'PASSWORD',
    within: async (tx) => {
      await stillSet(tx, stored);
      await useMethod(tx, stored, 'PASSWORD', dataOf(stored, 'PASSWORD'));
      await second?.(tx);
    },
  });
}

async function findAccount(store: Store, tenant: string | null, email: string): Promise<Account> {
  if (tenant === null) return noAccount;
  const db = scoped(store.db, tenant);
  const user = await userByEmail(db, email);
  // The same queries for an account that does not exist.
  const methods = await methodsOf(db, user?.id ?? '');
  return user === undefined ? noAccount : { user, methods };
}

const noAccount: Account = { user: null, methods: [] };

/**
 * Records the first failure of an account in a while. The answer does not wait for it: waiting would tell that the account
 * exists. On a full disk the record is lost, and the log of the controller says so for other writes.
 */
function noteFailure({ store }: SignInDeps, context: ActContext, user: UserRow | null, reason: string): void {
  if (user === null) return;
  store
    .write(writtenBy(context, user, 'signInFailed'), async (tx) => noteSignIn(tx, user, { reason }))
    .catch(() => undefined);
}
