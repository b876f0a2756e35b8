import type { Input } from '@sallyport/contract';
import { scoped } from '../../db/scoped.ts';
import type { Tx, WriteContext } from '../../db/store.ts';
import { ApiError, notFound } from '../../errors.ts';
import type { ActAnswer, ActContext, Caller, Handlers } from '../../http/handlers.ts';
import { finishBegun, requirePlace, type SignInDeps } from '../../objects/sign-in/deps.ts';
import { meView } from '../../objects/sign-in/me.ts';
import { dataOf, type MethodRow, methodOf, methodsOf, methodView, putMethod } from '../../objects/sign-in/methods.ts';
import { notifyUser } from '../../objects/sign-in/notices.ts';
import { registrationOptions, verifyRegistration } from '../../objects/sign-in/passkeys.ts';
import { checkPassword } from '../../objects/sign-in/passwords.ts';
import { endSession, endSessionsOf, sessionsOf, sessionView } from '../../objects/sign-in/sessions.ts';
import { requireMethod, settingsRow, signInSettings } from '../../objects/sign-in/settings.ts';
import { acceptedStep, newRecoveryCodes, newTotp, recoveryHash, totpPurpose } from '../../objects/sign-in/totp.ts';
import { canSignIn } from '../../objects/sign-in/ways-in.ts';
import { updateUser } from '../../objects/users/queries.ts';
import { trackUsers } from '../../objects/users/tracking.ts';
import { linkProvider } from './provider.ts';

type AccountOperation =
  | 'getMe'
  | 'updateMe'
  | 'signOut'
  | 'allowCli'
  | 'listMySessions'
  | 'endMySession'
  | 'endMyOtherSessions';
type MethodOperation =
  | 'listMyMethods'
  | 'setMyPassword'
  | 'getMyPasskeyOptions'
  | 'addMyPasskey'
  | 'offerTotp'
  | 'confirmTotp'
  | 'renewRecoveryCodes'
  | 'beginProviderLink'
  | 'removeMyMethod';

/** A person's own account: profile, sessions and sign-in methods. Every query is scoped to the person who calls. */
export const myAccountFeature = { routes: myAccountRoutes };

function myAccountRoutes(deps: SignInDeps): Handlers<AccountOperation | MethodOperation> {
  return { ...accountRoutes(deps), ...methodRoutes(deps) };
}

function accountRoutes(deps: SignInDeps): Handlers<AccountOperation> {
  const { store, cliCodes } = deps;
  const me = async (context: ActContext) => {
    const { tenant, id, session } = personOf(context);
    return { body: await meView(store, tenant, id, session) };
  };
  return {
    getMe: { act: me },
    updateMe: {
      act: async (context, { body }) => {
        const { tenant, id, by } = personOf(context, 'updateMe');
        const values = {
          ...(body.firstName === undefined ? {} : { first_name: body.firstName || null }),
          ...(body.lastName === undefined ? {} : { last_name: body.lastName || null }),
        };
        if (Object.keys(values).length > 0)
          await store.write({ ...by, tenant }, (tx) => trackUsers(tx, [id], () => updateUser(tx, id, values)));
        return me(context);
      },
    },
    signOut: {
      act: async (context) => {
        const { by, session } = personOf(context, 'signOut');
        await store.write(by, (tx) => endSession(tx, session.id));
        return { body: undefined, session: null };
      },
    },
    allowCli: {
      act: async (context, { body }) => {
        requirePlace(deps);
        const { tenant, id, session } = personOf(context);
        const { code, expiresAt } = await cliCodes.issue({ tenant, user: id, session: session.id, ...body });
        return { body: { code, expiresAt: new Date(expiresAt).toISOString() } };
      },
    },
    listMySessions: {
      act: async (context) => {
        const { tenant, id, session } = personOf(context);
        const rows = await store.read((db) => sessionsOf(scoped(db, tenant), id, store.now()));
        return { body: rows.map((row) => sessionView(row, session.id)) };
      },
    },
    endMySession: {
      act: async (context, { params }) => {
        const { by, id, session } = personOf(context, 'endMySession');
        await store.write(by, async (tx) => {
          const own = await sessionsOf(tx.scoped, id, tx.now);
          if (!own.some((row) => row.id === params.id)) throw notFound();
          await endSession(tx, params.id);
        });
        return { body: undefined, ...(params.id === session.id ? { session: null } : {}) };
      },
    },
    endMyOtherSessions: {
      act: async (context) => {
        const { by, id, session } = personOf(context, 'endMyOtherSessions');
        await store.write(by, (tx) => endSessionsOf(tx, id, session.id));
        return { body: undefined };
      },
    },
  };
}

function methodRoutes(deps: SignInDeps): Handlers<MethodOperation> {
  const { store } = deps;
  return {
    listMyMethods: {
      act: async (context) => {
        const { tenant, id } = personOf(context);
        return { body: (await methodsOf(scoped(store.db, tenant), id)).map(methodView) };
      },
    },
    setMyPassword: { act: (context, { body }) => setPassword(deps, context, body) },
    getMyPasskeyOptions: { act: (context) => passkeyOptions(deps, context) },
    addMyPasskey: { act: (context, { body }) => addPasskey(deps, context, body) },
    offerTotp: {
      act: async (context) => {
        const { tenant, id, name } = personOf(context);
        const settings = await settingsRow(scoped(store.db, tenant));
        const { secret, url } = newTotp(settings.name, name);
        return { body: { attempt: deps.attempts.begin({ kind: 'totp', secret, user: id }), secret, url } };
      },
    },
    confirmTotp: { act: (context, { body }) => confirmTotp(deps, context, body) },
    renewRecoveryCodes: {
      act: async (context) => {
        const { by, id } = personOf(context, 'renewRecoveryCodes');
        return store.write(by, async (tx) => {
          if (methodOf(await methodsOf(tx.scoped, id), 'TOTP') === null)
            throw new ApiError('last_method', 'Recovery codes stand in for an authenticator app: add one first');
          await notifyUser(deps, tx, id, 'RECOVERY_CODES', context);
          return { body: { codes: await putRecoveryCodes(tx, id) } };
        });
      },
    },
    beginProviderLink: {
      act: (context, { params, body }) => linkProvider(deps, personOf(context), params.id, body),
    },
    removeMyMethod: {
      act: async (context, { params }) => {
        const { by, id } = personOf(context, 'removeMyMethod');
        await store.write(by, async (tx) => {
          await removeMethod(tx, id, params.id);
          await notifyUser(deps, tx, id, 'METHOD_REMOVED', context);
        });
        return { body: undefined };
      },
    },
  };
}

async function setPassword(
  deps: SignInDeps,
  context: ActContext,
  { password }: Input<'setMyPassword'>['body'],
): Promise<ActAnswer<'setMyPassword'>> {
  const { store, hasher } = deps;
  const { tenant, id, name, session, by } = personOf(context, 'setMyPassword');
  const settings = await settingsRow(scoped(store.db, tenant));
  requireMethod(signInSettings(settings), 'PASSWORD');
  checkPassword(password, [name, settings.name]);
  const hash = await hasher.hash(password);
  await store.write(by, async (tx) => {
    await putMethod(tx, id, 'PASSWORD', 'Password', { hash });
    await endSessionsOf(tx, id, session.id);
    note(tx, id, name, { method: 'PASSWORD' });
    await notifyUser(deps, tx, id, 'PASSWORD', context);
  });
  return { body: undefined };
}

async function passkeyOptions(deps: SignInDeps, context: ActContext): Promise<ActAnswer<'getMyPasskeyOptions'>> {
  const { tenant, id, name } = personOf(context);
  const db = scoped(deps.store.db, tenant);
  const place = requirePlace(deps);
  requireMethod(signInSettings(await settingsRow(db)), 'PASSKEY');
  const { options, challenge } = await registrationOptions(place, { id, email: name }, await methodsOf(db, id));
  return { body: { attempt: deps.attempts.begin({ kind: 'passkey', challenge, user: id }), options } };
}

async function addPasskey(
  deps: SignInDeps,
  context: ActContext,
  body: Input<'addMyPasskey'>['body'],
): Promise<ActAnswer<'addMyPasskey'>> {
  const { id, name, by } = personOf(context, 'addMyPasskey');
  const place = requirePlace(deps);
  const { challenge, user } = await finishBegun(deps, body.attempt, 'passkey');
  if (user !== id) throw new ApiError('sign_in_failed', 'Another person began this');
  const { credentialId, data } = await verifyRegistration(place, challenge, body.credential);
  const row = await deps.store.write(by, async (tx) => {
    note(tx, id, name, { method: 'PASSKEY', passkey: body.name ?? 'Passkey' });
    await notifyUser(deps, tx, id, 'PASSKEY', context);
    return putMethod(tx, id, 'PASSKEY', body.name ?? 'Passkey', data, credentialId);
  });
  return { body: methodView(row) };
}

async function confirmTotp(
  deps: SignInDeps,
  context: ActContext,
  { attempt, code }: Input<'confirmTotp'>['body'],
): Promise<ActAnswer<'confirmTotp'>> {
  const { id, name, by } = personOf(context, 'confirmTotp');
  const { secret, user } = await finishBegun(deps, attempt, 'totp');
  if (user !== id) throw new ApiError('sign_in_failed', 'Another person began this');
  const step = acceptedStep(secret, code, deps.store.now(), 0);
  if (step === null)
    throw new ApiError('sign_in_failed', 'The code does not fit: check the clock of the phone, and begin again');
  const sealed = deps.box.seal(secret, totpPurpose(id));
  return deps.store.write(by, async (tx) => {
    await putMethod(tx, id, 'TOTP', 'Authenticator app', { sealed, lastStep: step });
    note(tx, id, name, { method: 'TOTP' });
    await notifyUser(deps, tx, id, 'TOTP', context);
    return { body: { codes: await putRecoveryCodes(tx, id) } };
  });
}

async function putRecoveryCodes(tx: Tx, user: string): Promise<string[]> {
  const codes = newRecoveryCodes();
  await putMethod(tx, user, 'RECOVERY_CODES', 'Recovery codes', { hashes: codes.map(recoveryHash) });
  return codes;
}

/** A way in must stay. Recovery codes go with the authenticator app, and the app stays while the tenant requires it. */
async function removeMethod(tx: Tx, user: string, method: string): Promise<void> {
  const methods = await methodsOf(tx.scoped, user);
  const row = methods.find(({ id }) => id === method);
  if (row === undefined) throw notFound();
  const settings = signInSettings(await settingsRow(tx.scoped));
  const left = methods.filter(({ id }) => id !== method);
  if (!(await canSignIn(tx.scoped, left, settings)))
    throw new ApiError('last_method', 'Without it you could not sign in any more: add another way first');
  const gone = row.kind === 'TOTP' ? [row.id, ...recoveryOf(left)] : [row.id];
  await tx.scoped.deleteFrom('sign_in_methods').where('id', 'in', gone).execute();
  note(tx, user, row.name, { removed: row.kind });
}

const recoveryOf = (methods: readonly MethodRow[]): string[] => {
  const recovery = methodOf(methods, 'RECOVERY_CODES');
  return recovery === null || dataOf(recovery, 'RECOVERY_CODES') === null ? [] : [recovery.id];
};

function note(tx: Tx, id: string, name: string, what: object): void {
  tx.changed({ kind: 'user', id, op: 'update', name, before: null, after: { name, ...what }, auditOnly: true });
}

/** The person who calls. Operations of this file need the right `self`, which only people have. */
function personOf({ caller, sourceIp, requestId }: ActContext, action = 'read'): Person {
  if (caller === null || caller.session === null) throw new ApiError('unauthenticated');
  const { tenant, actor, session } = caller;
  return { tenant, id: actor.id, name: actor.name, session, by: { tenant, actor, action, sourceIp, requestId } };
}

interface Person {
  readonly tenant: string;
  readonly id: string;
  /** E-mail address. */
  readonly name: string;
  readonly session: NonNullable<Caller['session']>;
  readonly by: WriteContext;
}
