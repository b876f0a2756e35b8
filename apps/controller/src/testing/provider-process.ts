/* A real OpenID Connect provider in a process of its own. Its parent tells it over the channel of `fork` what it knows. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ClientMetadata, type JWK, Provider } from 'oidc-provider';

/** What the provider knows. */
export interface ProviderState {
  readonly clients: readonly ClientMetadata[];
  /** Claims of each account. */
  readonly accounts: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly keys: readonly JWK[];
  /** Whether claims of scopes are in the ID token, and not at the userinfo endpoint alone. */
  readonly claimsInIdToken: boolean;
}

let state: ProviderState = { clients: [], accounts: {}, keys: [], claimsInIdToken: true };
let provider: Provider | null = null;

const server = createServer((request, response) => {
  handle(request, response).catch((error: unknown) => {
    response.writeHead(500).end(String(error));
  });
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

process.on('message', (given: ProviderState) => {
  const built = ({ clients, keys, claimsInIdToken }: ProviderState) => JSON.stringify([clients, keys, claimsInIdToken]);
  const same = built(given) === built(state);
  state = given;
  // A new provider forgets the sign-ins of the old one.
  if (!same || provider === null) provider = open();
  process.send?.({ ready: true });
});
process.on('disconnect', () => process.exit());
process.send?.({ issuer });

function open(): Provider {
  const made = new Provider(issuer, {
    clients: [...state.clients],
    jwks: { keys: [...state.keys] },
    cookies: { keys: ['a test has no secrets'] },
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['given_name', 'family_name'],
      groups: ['groups'],
    },
    scopes: ['openid', 'email', 'profile', 'groups', 'offline_access'],
    conformIdTokenClaims: !state.claimsInIdToken,
    clientBasedCORS: () => false,
    findAccount: (_context, id) => {
      const claims = state.accounts[id];
      return claims === undefined ? undefined : { accountId: id, claims: async () => ({ sub: id, ...claims }) };
    },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: async (context, form) => {
          context.body = `<!doctype html><title>Sign out</title>${form}<button name="logout" value="yes" form="op.logoutForm">Sign out</button>`;
        },
      },
    },
    issueRefreshToken: async (_context, client) => client.grantTypeAllowed('refresh_token'),
    loadExistingGrant: async ({ oidc }) => {
      if (oidc.client === undefined || oidc.session?.accountId === undefined) return undefined;
      const grant = new made.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope('openid email profile groups offline_access');
      await grant.save();
      return grant;
    },
  });
  return made;
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (provider === null) throw new Error('the provider was told nothing yet');
  if (!request.url?.startsWith('/interaction/')) {
    provider.callback()(request, response);
    return;
  }
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(signInPage);
    return;
  }
  const form = new URLSearchParams(await text(request));
  const accountId = form.get('account') ?? '';
  if (state.accounts[accountId] === undefined)
    await provider.interactionFinished(request, response, {
      error: 'access_denied',
      error_description: 'no such account',
    });
  else await provider.interactionFinished(request, response, { login: { accountId, amr: ['pwd'] } });
}

const signInPage = `<!doctype html><html lang="en"><title>Sign in at the provider</title><form method="post">
<label>Account <input name="account"></label> <button>Sign in</button></form>`;

async function text(request: IncomingMessage): Promise<string> {
  let all = '';
  for await (const chunk of request as AsyncIterable<Buffer>) all += chunk.toString();
  return all;
}
