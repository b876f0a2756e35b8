import type { Input, SignInLink } from '@sallyport/contract';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError, invalidField } from '../../errors.ts';
import type { ActAnswer, ActContext } from '../../http/handlers.ts';
import { attemptOf, finishBegun, requirePlace, type SignInDeps } from '../../objects/sign-in/deps.ts';
import { findLink, type LinkRow, spendLink } from '../../objects/sign-in/links.ts';
import { type MethodRow, methodOf, methodsOf, putMethod, signsIn } from '../../objects/sign-in/methods.ts';
import { notifyUser } from '../../objects/sign-in/notices.ts';
import { registrationOptions, verifyRegistration } from '../../objects/sign-in/passkeys.ts';
import { checkPassword } from '../../objects/sign-in/passwords.ts';
import { endSessionsOf } from '../../objects/sign-in/sessions.ts';
import { requireMethod, settingsRow, signInSettings } from '../../objects/sign-in/settings.ts';
import { inviteUsers } from '../../objects/users/invite.ts';
import { findUser, type UserRow, updateUser, userByEmail } from '../../objects/users/queries.ts';
import { trackUsers } from '../../objects/users/tracking.ts';
import { type Entered, enter } from './person.ts';
import { secondFactorOf } from './second-factor.ts';

type Person = Pick<Input<'setPasswordByLink'>['body'], 'email' | 'firstName' | 'lastName'>;

/** Tells what a link is for. It changes nothing: mail programs open links before people do. */
export async function openLink(deps: SignInDeps, secret: string): Promise<ActAnswer<'openSignInLink'>> {
  requirePlace(deps);
  const link = await findLink(deps.store, secret);
  const db = scoped(deps.store.db, link.tenant_id);
  const user = link.user_id === null ? undefined : await findUser(db, link.user_id);
  const row = await settingsRow(db);
  const present = await methodsOfLink(db, link);
  const expiresAt = new Date(link.expires_at).toISOString();
  return {
    body: {
      ...{ purpose: link.purpose, tenant: row.name, ...(user === undefined ? {} : { email: user.email }), expiresAt },
      methods: settable(present).filter((method) => signInSettings(row).methods.includes(method)),
      secondFactor: methodOf(present, 'TOTP') !== null,
    },
  };
}

/** Spends a link: sets the password of its user, and signs in. */
export async function setPasswordByLink(
  deps: SignInDeps,
  context: ActContext,
  { secret, password, code, ...person }: Input<'setPasswordByLink'>['body'],
): Promise<Entered> {
  requirePlace(deps);
  const link = await findLink(deps.store, secret);
  const db = scoped(deps.store.db, link.tenant_id);
  const row = await settingsRow(db);
  const settings = signInSettings(row);
  requireMethod(settings, 'PASSWORD');
  const present = await methodsOfLink(db, link);
  if (settings.secondFactor === 'REQUIRED' && methodOf(present, 'TOTP') === null)
    throw new ApiError(
      'method_not_allowed_here',
      'The tenant requires a second factor: add a passkey, which counts as both',
    );
  const { email } = await personOf(db, link, person);
  checkPassword(password, [email, row.name]);
  const second = await secondFactorByLink(deps, context, link, present, code);
  const hash = await deps.hasher.hash(password);
  return enterByLink(deps, context, link, person, async (tx, user) => {
    await second?.(tx);
    await putMethod(tx, user.id, 'PASSWORD', 'Password', { hash });
    if (keepsMethods(present)) await notifyUser(deps, tx, user.id, 'PASSWORD', context);
  });
}

/** Begins to spend a link with a passkey. */
export async function passkeyLinkOptions(
  deps: SignInDeps,
  { secret, ...person }: Input<'getPasskeyLinkOptions'>['body'],
): Promise<ActAnswer<'getPasskeyLinkOptions'>> {
  const place = requirePlace(deps);
  const link = await findLink(deps.store, secret);
  const db = scoped(deps.store.db, link.tenant_id);
  requireMethod(signInSettings(await settingsRow(db)), 'PASSKEY');
  requireNoMethods(await methodsOfLink(db, link));
  const { id, email } = await personOf(db, link, person);
  const { options, challenge } = await registrationOptions(place, { id, email }, []);
  const begun = { kind: 'passkey by link', challenge, link: link.id, user: id, email } as const;
  return { body: { attempt: deps.attempts.begin(begun), options } };
}

/** Spends a link: adds a passkey for its user, and signs in. */
export async function addPasskeyByLink(
  deps: SignInDeps,
  context: ActContext,
  { secret, attempt, credential, name, ...person }: Input<'addPasskeyByLink'>['body'],
): Promise<Entered> {
  const place = requirePlace(deps);
  const link = await findLink(deps.store, secret);
  const begun = await finishBegun(deps, attempt, 'passkey by link');
  const db = scoped(deps.store.db, link.tenant_id);
  requireNoMethods(await methodsOfLink(db, link));
  const { email } = await personOf(db, link, person);
  // The passkey carries the id of the user that it was made for.
  if (begun.link !== link.id || begun.email !== email)
    throw new ApiError('sign_in_failed', 'The passkey was made for another link or address: begin again');
  const { credentialId, data } = await verifyRegistration(place, begun.challenge, credential);
  const put = async (tx: Tx, user: UserRow) => {
    if (user.id !== begun.user) throw new ApiError('sign_in_failed', 'The account has changed meanwhile: begin again');
    await putMethod(tx, user.id, 'PASSKEY', name ?? 'Passkey', data, credentialId);
  };
  return enterByLink(deps, context, link, person, put);
}

/** Sign-in methods of the person of a link. */
const methodsOfLink = async (db: Scoped, { user_id }: LinkRow): Promise<readonly MethodRow[]> =>
  user_id === null ? [] : methodsOf(db, user_id);

/** Whether the link only replaces a forgotten password. Every other link finds an account without methods. */
const keepsMethods = (present: readonly MethodRow[]): boolean => present.some(signsIn);

/** The methods that a link can set. */
const settable = (present: readonly MethodRow[]): ('PASSWORD' | 'PASSKEY')[] =>
  keepsMethods(present) ? ['PASSWORD'] : ['PASSKEY', 'PASSWORD'];

/** A mailbox may replace a password. It must not add a passkey, which would pass by the second factor. */
function requireNoMethods(present: readonly MethodRow[]): void {
  if (keepsMethods(present))
    throw new ApiError('method_not_allowed_here', 'The link only sets a new password: add passkeys after signing in');
}

/** Returns how the transaction spends the code, or null for an account without a second factor. Guesses are limited. */
async function secondFactorByLink(
  deps: SignInDeps,
  context: ActContext,
  link: LinkRow,
  present: readonly MethodRow[],
  code: string | undefined,
): Promise<((tx: Tx) => Promise<void>) | null> {
  if (methodOf(present, 'TOTP') === null) return null;
  if (code === undefined) throw new ApiError('second_factor_required');
  const attempt = attemptOf(`link ${link.user_id}`, context);
  return deps.guesses.guard(attempt, async (guess) => {
    const second = secondFactorOf(deps, present, code);
    if (second !== null) return second;
    guess.wrong();
    throw new ApiError('sign_in_failed', 'The code is wrong, was used already, or is too old');
  });
}

/** Returns whom a link is for. A set-up link names no person, so the request gives an address. */
async function personOf(
  db: Scoped,
  link: LinkRow,
  { email }: Person,
): Promise<{ readonly id: string; readonly email: string }> {
  const user = link.user_id === null ? undefined : await findUser(db, link.user_id);
  if (user !== undefined) {
    if (email !== undefined) throw invalidField('/email', 'is known from the link: leave it out');
    return user;
  }
  if (email === undefined) throw invalidField('/email', 'is needed: the first owner of the tenant has no account yet');
  return (await userByEmail(db, email)) ?? { id: newOwnerId(link), email };
}

/** The id of a user that the link will make: the passkey must carry it before the user exists. */
const newOwnerId = (link: LinkRow): string => link.id;

async function enterByLink(
  deps: SignInDeps,
  context: ActContext,
  link: LinkRow,
  person: Person,
  put: (tx: Tx, user: UserRow) => Promise<void>,
): Promise<Entered> {
  const { id, email } = await personOf(scoped(deps.store.db, link.tenant_id), link, person);
  const user = { id, email, tenant_id: link.tenant_id } as UserRow;
  return enter(deps, context, {
    user,
    method: 'LINK',
    within: async (tx) => {
      await spendLink(tx, link.id);
      const row = await activate(tx, link, email, person);
      await endSessionsOf(tx, row.id);
      await put(tx, row);
    },
  });
}

/** Activates the person of a link: the owner of a new tenant, or an invited user. */
async function activate(tx: Tx, link: LinkRow, email: string, { firstName, lastName }: Person): Promise<UserRow> {
  const present = link.user_id === null ? await userByEmail(tx.scoped, email) : await findUser(tx.scoped, link.user_id);
  const id = present?.id ?? newOwnerId(link);
  if (present === undefined) await inviteUsers(tx, [{ id, email, groups: [] }], ['']);
  const values = { ...valuesOf(link.purpose, present), ...names(firstName, lastName) };
  if (Object.keys(values).length > 0) await trackUsers(tx, [id], () => updateUser(tx, id, values));
  const row = await findUser(tx.scoped, id);
  if (row === undefined) throw new Error(`the user ${id} was written and is not there`);
  return row;
}

/** A deactivated user stays so: a link that was made before must not bring anybody back. */
function valuesOf(purpose: SignInLink['purpose'], present: UserRow | undefined) {
  if (purpose === 'SET_UP') return { is_owner: 1, status: 'ACTIVE' as const };
  return present?.status === 'INVITED' ? { status: 'ACTIVE' as const } : {};
}

const names = (first: string | undefined, last: string | undefined) => ({
  ...(first === undefined ? {} : { first_name: first || null }),
  ...(last === undefined ? {} : { last_name: last || null }),
});
