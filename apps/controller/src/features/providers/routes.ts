import type { StillRunner } from '../../db/jobs.ts';
import { scoped } from '../../db/scoped.ts';
import { notFound } from '../../errors.ts';
import type { Handlers } from '../../http/handlers.ts';
import { findProvider, listProviders } from '../../objects/providers/queries.ts';
import { type ProviderUris, providerView } from '../../objects/providers/views.ts';
import type { SignInDeps } from '../../objects/sign-in/deps.ts';
import { signInPlace } from '../../objects/sign-in/place.ts';
import { redirectUri } from '../../objects/sign-in/provider-begin.ts';
import { settingsRow, signInSettings } from '../../objects/sign-in/settings.ts';
import { checkProvider } from './check.ts';
import { changeProvider, createProvider, removeProvider } from './commands.ts';

type ProviderOperation =
  | 'listProviders'
  | 'createProvider'
  | 'getProvider'
  | 'updateProvider'
  | 'deleteProvider'
  | 'checkProvider';

/** The OpenID Connect providers of a tenant. */
export const providerFeature = {
  routes: providerRoutes,
  maintain: ({ providerChecks }: Pick<SignInDeps, 'providerChecks'>, still: StillRunner): Promise<void> =>
    providerChecks.run(still),
};

function providerRoutes(deps: SignInDeps): Handlers<ProviderOperation> {
  const { store, box } = deps;
  const uris = urisOf(deps);
  return {
    listProviders: {
      read: ({ tenant }) =>
        store.read(async (open) => {
          const db = scoped(open, tenant);
          const body = [];
          for (const row of await listProviders(db)) body.push(await providerView(db, row, uris));
          return { body };
        }),
    },
    createProvider: {
      write: async (tx, _context, { body }) => shown(tx.scoped, await createProvider(tx, box, body), uris),
    },
    getProvider: { read: ({ tenant }, { params }) => store.read((db) => shown(scoped(db, tenant), params.id, uris)) },
    updateProvider: {
      write: async (tx, context, { params, body }) => {
        await changeProvider(tx, box, context, params.id, body);
        return shown(tx.scoped, params.id, uris);
      },
    },
    deleteProvider: {
      write: async (tx, context, { params }) => {
        await removeProvider(tx, context, params.id);
        return { body: undefined };
      },
    },
    checkProvider: {
      read: async ({ tenant }, { params }) => {
        const db = scoped(store.db, tenant);
        const row = await findProvider(db, params.id);
        if (row === undefined) throw notFound();
        const { methods } = signInSettings(await settingsRow(db));
        return { body: await checkProvider(deps.providers, row, uris(row.id), methods) };
      },
    },
  };
}

const urisOf =
  ({ signInUrl, basePath }: SignInDeps): ProviderUris =>
  (provider) => {
    const place = signInPlace(signInUrl());
    if ('reason' in place) return null;
    const logoutUri = `${place.url}${basePath}/sign-in/providers/${provider}/logout`;
    return { redirectUri: redirectUri(place, provider), logoutUri };
  };

async function shown(db: Parameters<typeof findProvider>[0], id: string, uris: ProviderUris) {
  const row = await findProvider(db, id);
  if (row === undefined) throw notFound();
  return { body: await providerView(db, row, uris), version: row.version };
}
