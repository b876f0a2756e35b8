import type { Input, SignInSettings } from '@sallyport/contract';
import { lockShared } from '../../db/across-tenants.ts';
import { encodeJson } from '../../db/json.ts';
import { scoped, unscoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError, invalidField, notFound } from '../../errors.ts';
import { type Handlers, may, type RequestContext } from '../../http/handlers.ts';
import type { SignInDeps } from '../../objects/sign-in/deps.ts';
import { handOver, noteUser } from '../../objects/sign-in/hand-over.ts';
import { methodsOf, removeMethods } from '../../objects/sign-in/methods.ts';
import { endSessionsOf, sessionsOf, sessionView } from '../../objects/sign-in/sessions.ts';
import { settingsRow, signInSettings } from '../../objects/sign-in/settings.ts';
import { canSignIn } from '../../objects/sign-in/ways-in.ts';
import { findUser, requireUser, type UserRow } from '../../objects/users/queries.ts';

type SettingsOperation =
  | 'resetSignIn'
  | 'listUserSessions'
  | 'endUserSessions'
  | 'getSignInSettings'
  | 'updateSignInSettings';

/** What administrators do about the sign-in of others, and the tenant's sign-in settings. */
export const signInSettingsFeature = { routes: signInSettingsRoutes };

function signInSettingsRoutes(deps: SignInDeps): Handlers<SettingsOperation> {
  const { store } = deps;
  return {
    resetSignIn: {
      write: async (tx, context, { params }) => {
        const user = await requireUser(tx.scoped, params.id);
        requireManageable(context, user);
        if (user.status === 'DEACTIVATED')
          throw new ApiError('not_active', `${user.email} is deactivated: reactivate the user first`);
        await removeMethods(tx, user.id);
        await endSessionsOf(tx, user.id);
        return { body: await handOver(deps, tx, context, user, user.status === 'INVITED' ? 'INVITATION' : 'PASSWORD') };
      },
    },
    listUserSessions: {
      read: ({ tenant, caller }, { params }) =>
        store.read(async (open) => {
          const db = scoped(open, tenant);
          if ((await findUser(db, params.id)) === undefined) throw notFound();
          const rows = await sessionsOf(db, params.id, store.now());
          return { body: rows.map((row) => sessionView(row, caller.session?.id ?? null)) };
        }),
    },
    endUserSessions: {
      write: async (tx, context, { params }) => {
        const user = await requireUser(tx.scoped, params.id);
        requireManageable(context, user);
        await endSessionsOf(tx, user.id);
        noteUser(tx, user, { sessions: 'ended' });
        return { body: undefined };
      },
    },
    getSignInSettings: {
      read: async ({ tenant }) => ({ body: signInSettings(await settingsRow(scoped(store.db, tenant))) }),
    },
    updateSignInSettings: { write: (tx, context, { body }) => changeSettings(tx, context, body) },
  };
}

/** Owners are helped by the operator alone: an administrator who resets them would be one. */
function requireManageable(context: RequestContext, user: UserRow): void {
  if (user.is_owner === 1 && context.caller.actor.id !== user.id)
    throw new ApiError(
      'last_owner',
      `${user.email} owns the tenant: only the operator of the controller resets the sign-in of owners`,
    );
}

/** What is left out stays. A setting that would lock the person out who changes it is refused. */
async function changeSettings(
  tx: Tx,
  context: RequestContext,
  given: Input<'updateSignInSettings'>['body'],
): Promise<{ body: SignInSettings }> {
  const row = await settingsRow(tx.scoped);
  const before = signInSettings(row);
  const after = { ...before, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
  if (after.slug !== before.slug) await requireFreeSlug(tx, after.slug);
  await requireWayIn(tx, context, after);
  const { slug, ...rest } = after;
  await tx.scoped
    .updateTenant()
    .set({ slug, sign_in: encodeJson(rest) })
    .execute();
  if (encodeJson(before) !== encodeJson(after))
    tx.changed({
      kind: 'tenant',
      id: tx.tenant,
      op: 'update',
      name: row.name,
      before: { signIn: before },
      after: { signIn: after },
      auditOnly: true,
    });
  return { body: after };
}

async function requireFreeSlug(tx: Tx, slug: string): Promise<void> {
  await lockShared(tx, 'slugs');
  const taken = await unscoped(tx.db, 'short names are unique on the controller')
    .selectFrom('tenants')
    .select('id')
    .where('slug', '=', slug)
    .executeTakeFirst();
  if (taken !== undefined) throw invalidField('/slug', 'is the short name of another tenant', 'slug_taken');
}

async function requireWayIn(
  tx: Tx,
  { caller }: RequestContext,
  { methods, secondFactor }: SignInSettings,
): Promise<void> {
  if (caller.session === null || !may({ caller } as RequestContext, 'self')) return;
  const own = await methodsOf(tx.scoped, caller.actor.id);
  if (!(await canSignIn(tx.scoped, own, { methods, secondFactor: 'OPTIONAL' })))
    throw invalidField('/methods', 'would lock you out: add such a sign-in method of your own first');
  if (!(await canSignIn(tx.scoped, own, { methods, secondFactor })))
    throw invalidField('/secondFactor', 'would lock you out: add a passkey or an authenticator app first');
}
