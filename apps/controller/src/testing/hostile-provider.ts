import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload } from 'jose';
import { signed } from './provider.ts';

/** A provider whose every answer a test can bend. Left alone, it is a good one. */
export interface HostileProvider {
  readonly issuer: string;
  readonly key: JWK;
  /** Fields of the metadata that differ. */
  metadata: Record<string, unknown>;
  /** Claims of the next ID token that differ; undefined removes one. */
  claims: Record<string, unknown>;
  /** Header of the next ID token. */
  header: Record<string, unknown>;
  /** Makes the ID token instead. */
  idToken: ((claims: JWTPayload) => Promise<string> | string) | null;
  /** Answers a request instead. Returns whether it did. */
  instead: ((request: IncomingMessage, response: ServerResponse) => boolean) | null;
  /** Paths that were asked for. */
  readonly asked: string[];
  /** Returns the query of a good return for an authorization URL. */
  answer(url: string, more?: Record<string, string>): string;
}

/** Starts such a provider. It ends with the test. */
export async function startHostileProvider(t: TestContext): Promise<HostileProvider> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: 'only', alg: 'RS256', use: 'sig' };
  let nonce = '';
  let audience = '';
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider: HostileProvider = {
    ...{ issuer, key, metadata: {}, claims: {}, header: {}, idToken: null, instead: null, asked: [] },
    answer: (url, more = {}) => {
      const asked = new URL(url).searchParams;
      nonce = asked.get('nonce') ?? '';
      audience = asked.get('client_id') ?? '';
      return String(new URLSearchParams({ code: 'a-code', state: asked.get('state') ?? '', iss: issuer, ...more }));
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    provider.asked.push(request.url ?? '');
    if (provider.instead?.(request, response) === true) return;
    const json = (body: unknown) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.url === '/.well-known/openid-configuration') json({ ...metadataOf(issuer), ...provider.metadata });
    else if (request.url === '/jwks') {
      const { kty, n, e, kid, alg, use } = key as Record<string, unknown>;
      json({ keys: [{ kty, n, e, kid, alg, use }] });
    } else if (request.url === '/token') json(await tokens());
    else response.writeHead(404).end();
  }

  async function tokens() {
    const now = Math.floor(Date.now() / 1000);
    const person = { sub: 'jane', email: 'jane@example.com', email_verified: true };
    const claims = { iss: issuer, aud: audience, nonce, iat: now, exp: now + 300, ...person, ...provider.claims };
    const id_token = await (provider.idToken?.(claims) ?? signed(key as never, claims, provider.header));
    return { access_token: 'x', token_type: 'Bearer', expires_in: 300, id_token };
  }
  return provider;
}

const metadataOf = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  jwks_uri: `${issuer}/jwks`,
  response_types_supported: ['code'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['RS256'],
  code_challenge_methods_supported: ['S256'],
  authorization_response_iss_parameter_supported: true,
});
