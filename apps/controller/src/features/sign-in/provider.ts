import type { Input } from '@sallyport/contract';
import { scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import type { ActAnswer, ActContext } from '../../http/handlers.ts';
import { refusalOf } from '../../objects/providers/admission.ts';
import type { ProviderPerson } from '../../objects/providers/claims.ts';
import { type Confirmed, finishAt } from '../../objects/providers/dialogue.ts';
import { beginGrant, unconfirmedMs } from '../../objects/providers/grants.ts';
import { followGroups } from '../../objects/providers/memberships.ts';
import { findProvider, labelOf, listProviders, type ProviderRow, settingsOf } from '../../objects/providers/queries.ts';
import { findTenant } from '../../objects/sign-in/account.ts';
import { attemptOf, type ProviderBegun, requirePlace, type SignInDeps } from '../../objects/sign-in/deps.ts';
import { meView } from '../../objects/sign-in/me.ts';
import { notifyUser } from '../../objects/sign-in/notices.ts';
import { beginProvider, redirectUri, tellFailure, usableProvider } from '../../objects/sign-in/provider-begin.ts';
import { findIdentity, noteIdentity, putIdentity } from '../../objects/sign-in/provider-identity.ts';
import { freshMs } from '../../objects/sign-in/sessions.ts';
import { settingsRow, signInSettings } from '../../objects/sign-in/settings.ts';
import { findUser } from '../../objects/users/queries.ts';
import { enter, type FromProvider, noteSignIn, writtenBy } from './person.ts';
import { admit, userOf, whoIs } from './provider-person.ts';

/** Lists the providers that the sign-in page of a tenant shows. */
export async function signInProviders(
  { store }: SignInDeps,
  slug: string | undefined,
): Promise<ActAnswer<'listSignInProviders'>> {
  const tenant = await findTenant(store, slug);
  if (tenant === null) return { body: [] };
  const db = scoped(store.db, tenant);
  if (!signInSettings(await settingsRow(db)).methods.includes('PROVIDER')) return { body: [] };
  const rows = (await listProviders(db)).filter(({ enabled }) => enabled === 1);
  return { body: rows.map((row) => ({ id: row.id, label: labelOf(row) })) };
}

/** Begins a sign-in: the browser goes to the provider and comes back with what only this browser can finish. */
export async function beginProviderSignIn(
  deps: SignInDeps,
  context: ActContext,
  { params, body }: Input<'beginProviderSignIn'>,
): Promise<ActAnswer<'beginProviderSignIn'>> {
  await deps.guesses.check(attemptOf(`provider ${params.id} ${context.sourceIp}`, context));
  const row = await usableProvider(deps, params.id);
  return beginProvider(deps, row, { page: body.page ?? null, link: null, fresh: body.fresh === true });
}

/** Finishes what was begun in this browser: signs in, or links the provider to the account of the session. */
export async function finishProviderSignIn(
  deps: SignInDeps,
  context: ActContext,
  { params, body }: Input<'finishProviderSignIn'>,
): Promise<ActAnswer<'finishProviderSignIn'>> {
  const place = requirePlace(deps);
  const attempt = attemptOf(`provider ${params.id} ${context.sourceIp}`, context);
  await deps.guesses.check(attempt);
  const begun = await begunHere(deps, context, params.id);
  const row = await usableProvider(deps, params.id);
  const confirmed = await deps.guesses.guard(attempt, (guess) =>
    finishAt(deps.providers, row, redirectUri(place, row.id), body.answer, begun.secrets).catch((error: unknown) => {
      guess.wrong();
      throw tellFailure(error, row);
    }),
  );
  const refusal = refusalOf(row, confirmed.person);
  if (refusal !== null) return refuse(deps, context, row, confirmed.person, new ApiError('sign_in_failed', refusal));
  return begun.link === null
    ? signIn(deps, context, row, begun, confirmed)
    : link(deps, context, row, begun, confirmed);
}

/** The cookie is sealed, good once and for ten minutes, and names the provider, whose answer no other one can give. */
async function begunHere(
  deps: SignInDeps,
  { begun: sealed, caller }: ActContext,
  provider: string,
): Promise<ProviderBegun> {
  if (sealed === null)
    throw new ApiError('sign_in_failed', 'This browser began no sign-in, or more than ten minutes ago: begin again');
  const begun = await deps.returns.finish(sealed);
  if (begun.provider !== provider)
    throw new ApiError('sign_in_failed', 'The sign-in was begun with another provider: begin again');
  if (begun.link !== null && begun.link.session !== caller?.session?.id)
    throw new ApiError('sign_in_failed', 'The session that began this has ended: sign in and begin again');
  return begun;
}

async function signIn(
  deps: SignInDeps,
  context: ActContext,
  row: ProviderRow,
  begun: ProviderBegun,
  { person, refreshToken }: Confirmed,
): Promise<ActAnswer<'finishProviderSignIn'>> {
  const { store, box } = deps;
  const db = scoped(store.db, row.tenant_id);
  requireSecondFactor(row, signInSettings(await settingsRow(db)), person);
  const who = await whoIs(db, row, person, store.now()).catch((error) => refuse(deps, context, row, person, error));
  const user = userOf(row, who);
  let method: string;
  const within = async (tx: Tx): Promise<void> => {
    await requireUnchanged(tx, row);
    const again = await whoIs(tx.scoped, row, person, tx.now);
    if (again.kind !== who.kind || (again.kind !== 'new' && again.user.id !== user.id)) throw changed();
    method = (await admit(tx, row, again, user, person)).id;
    await followGroups(tx, row, user.id, person.groups);
  };
  const from = async (tx: Tx): Promise<FromProvider> => ({
    grant: await beginGrant(tx, box, { provider_id: row.id, method_id: method, sid: person.sid, refreshToken }),
    provenAt: provenAt(row, begun, person, tx.now),
    mostMs: refreshToken === null ? unconfirmedMs : Number.POSITIVE_INFINITY,
  });
  const { body, session } = await enter(deps, context, { user, method: 'PROVIDER', within, from });
  return { body: { linked: false, ...pageOf(begun), me: body }, session, begun: null };
}

async function link(
  deps: SignInDeps,
  context: ActContext,
  row: ProviderRow,
  begun: ProviderBegun,
  { person }: Confirmed,
): Promise<ActAnswer<'finishProviderSignIn'>> {
  const { store } = deps;
  const { caller } = context;
  const user = await findUser(scoped(store.db, row.tenant_id), begun.link?.user ?? '');
  if (caller?.session == null || user === undefined || caller.actor.id !== user.id) throw changed();
  await store.write(writtenBy(context, user, 'linkProvider'), async (tx) => {
    await requireUnchanged(tx, row);
    const method = await findIdentity(tx.scoped, row.id, person.subject);
    if (method !== undefined && method.user_id !== user.id) throw new ApiError('identity_taken');
    await noteIdentity(tx, method ?? (await putIdentity(tx, row, user.id, person)), person);
    await followGroups(tx, row, user.id, person.groups);
    if (method === undefined) await notifyUser(deps, tx, user.id, 'PROVIDER', context);
    noteSignIn(tx, user, { method: 'PROVIDER', provider: row.name, account: person.email ?? person.subject });
  });
  const me = await meView(store, row.tenant_id, user.id, caller.session);
  return { body: { linked: true, ...pageOf(begun), me }, begun: null };
}

const pageOf = ({ page }: ProviderBegun) => (page === null ? {} : { page });

/** The provider asks for factors, so it has to say that it did, or its owner has to. */
function requireSecondFactor(
  row: ProviderRow,
  { secondFactor }: ReturnType<typeof signInSettings>,
  person: ProviderPerson,
): void {
  if (secondFactor === 'OPTIONAL' || person.severalFactors || settingsOf(row).assuresSecondFactor) return;
  throw new ApiError(
    'method_not_allowed_here',
    `The tenant requires a second factor, and ${row.name} does not say that it asked for one`,
  );
}

/** A sign-in at the provider that is older than ten minutes, or of unknown age, makes no fresh session. */
function provenAt(row: ProviderRow, { secrets }: ProviderBegun, { authTime }: ProviderPerson, now: number): number {
  const stale = now - freshMs;
  if (authTime !== null) return Math.max(Math.min(authTime, now), stale);
  return secrets.fresh && !settingsOf(row).requireAuthTime ? now : stale;
}

async function requireUnchanged(tx: Tx, { id, version }: ProviderRow): Promise<void> {
  const row = await findProvider(tx.scoped, id);
  if (row?.version !== version) throw changed();
}

const changed = (): ApiError => new ApiError('sign_in_failed', 'The account has changed meanwhile: begin again');

/** Records that somebody whom the provider confirmed was refused, once in a while for each person. */
async function refuse(
  { store, guesses }: SignInDeps,
  context: ActContext,
  row: ProviderRow,
  person: ProviderPerson,
  error: unknown,
): Promise<never> {
  const account = `provider ${row.id} ${person.subject}`;
  if (!(error instanceof ApiError) || !(await guesses.failed({ account, source: null }))) throw error;
  const actor = { kind: 'user', id: null, name: person.email ?? person.subject } as const;
  const { sourceIp, requestId } = context;
  await store.write({ tenant: row.tenant_id, actor, action: 'signInRefused', sourceIp, requestId }, async (tx) => {
    const after = { name: row.name, account: actor.name, reason: error.detail ?? '' };
    tx.changed({ kind: 'provider', id: row.id, op: 'update', name: row.name, before: null, after, auditOnly: true });
  });
  throw error;
}
