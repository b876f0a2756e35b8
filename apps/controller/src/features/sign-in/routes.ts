import type { SignInOptions } from '@sallyport/contract';
import { scoped, unscoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import type { Handlers } from '../../http/handlers.ts';
import type { SignInDeps } from '../../objects/sign-in/deps.ts';
import { signInPlace } from '../../objects/sign-in/place.ts';
import { hasOwnerWhoSignsIn } from '../../objects/sign-in/set-up.ts';
import { signInCli } from './cli.ts';
import { forgotPassword } from './forgotten.ts';
import { addPasskeyByLink, openLink, passkeyLinkOptions, setPasswordByLink } from './link.ts';
import { passkeyOptions, signInWithPasskey } from './passkey.ts';
import { signInWithPassword } from './password.ts';
import { beginProviderSignIn, finishProviderSignIn, signInProviders } from './provider.ts';

type SignInOperation =
  | 'getSignInOptions'
  | 'signInWithPassword'
  | 'getPasskeySignInOptions'
  | 'signInWithPasskey'
  | 'signInCli'
  | 'listSignInProviders'
  | 'beginProviderSignIn'
  | 'finishProviderSignIn'
  | 'forgotPassword'
  | 'openSignInLink'
  | 'setPasswordByLink'
  | 'getPasskeyLinkOptions'
  | 'addPasskeyByLink';

/** Operations that anybody may call, to become somebody. */
export const signInFeature = { routes: signInRoutes };

function signInRoutes(deps: SignInDeps): Handlers<SignInOperation> {
  return {
    getSignInOptions: { act: async () => ({ body: await optionsOf(deps) }) },
    signInWithPassword: { act: (context, { body }) => signInWithPassword(deps, context, body) },
    getPasskeySignInOptions: { act: () => passkeyOptions(deps) },
    signInWithPasskey: { act: (context, { body }) => signInWithPasskey(deps, context, body) },
    signInCli: { act: (context, { body }) => signInCli(deps, context, body) },
    listSignInProviders: { act: (_context, { query }) => signInProviders(deps, query.tenant) },
    beginProviderSignIn: { act: (context, input) => beginProviderSignIn(deps, context, input) },
    finishProviderSignIn: { act: (context, input) => finishProviderSignIn(deps, context, input) },
    forgotPassword: { act: (context, { body }) => forgotPassword(deps, context, body) },
    openSignInLink: { act: (_context, { body }) => openLink(deps, body.secret) },
    setPasswordByLink: { act: (context, { body }) => setPasswordByLink(deps, context, body) },
    getPasskeyLinkOptions: { act: (_context, { body }) => passkeyLinkOptions(deps, body) },
    addPasskeyByLink: { act: (context, { body }) => addPasskeyByLink(deps, context, body) },
  };
}

async function optionsOf({ store, signInUrl, mail }: SignInDeps): Promise<SignInOptions> {
  const url = signInUrl();
  const place = signInPlace(url);
  const [tenant, another] = await someTenants(store);
  return {
    available: !('reason' in place),
    ...('reason' in place ? { reason: place.reason, url } : { url: place.url }),
    tenants: tenant === undefined ? 'NONE' : another === undefined ? 'ONE' : 'SEVERAL',
    forgotPassword: mail.outbox.enabled && !('reason' in place),
    setUp: tenant !== undefined && another === undefined && !(await hasOwnerWhoSignsIn(scoped(store.db, tenant.id))),
  };
}

/** Two at most: more is the same to a sign-in page. */
const someTenants = (store: Store) =>
  unscoped(store.db, 'whether there is more than one tenant').selectFrom('tenants').select('id').limit(2).execute();
