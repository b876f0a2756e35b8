import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { exportJWK, generateKeyPair, importJWK, type JWTPayload, SignJWT } from 'jose';
import type { JWK } from 'oidc-provider';
import type { Browser } from './browser.ts';
import type { TestApp } from './harness.ts';
import type { ProviderState } from './provider-process.ts';

/** A provider that runs in a process of its own. */
export interface TestProvider {
  readonly issuer: string;
  /** Changes what it knows. */
  change(part: Partial<ProviderState>): Promise<void>;
  readonly state: () => ProviderState;
  /** Registers Sallyport. */
  register(clientId: string, redirectUri: string, more?: Record<string, unknown>): Promise<void>;
  /** Signs claims with the provider's key. */
  sign(claims: JWTPayload, header?: Record<string, unknown>): Promise<string>;
  /** Begins to sign with another key. */
  rotate(): Promise<void>;
}

/** The secret of every client. */
export const clientSecret = 'a secret that the provider knows';

/** Where the controller may call in tests with providers. */
export const egressToHere = { allow: ['127.0.0.0/8', '::1/128'], deny: [], details: true };

/** Starts a provider with two accounts. It ends with the test. */
export async function startProvider(t: TestContext): Promise<TestProvider> {
  const child = fork(join(import.meta.dirname, 'provider-process.ts'), {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  t.after(() => {
    child.kill('SIGKILL');
  });
  const [{ issuer }] = (await once(child, 'message')) as [{ issuer: string }];
  let state: ProviderState = { clients: [], accounts: sampleAccounts, keys: [await newKey()], claimsInIdToken: true };
  const change = async (part: Partial<ProviderState>) => {
    state = { ...state, ...part };
    const ready = once(child, 'message');
    child.send(state);
    await ready;
  };
  await change({});
  return {
    issuer,
    change,
    state: () => state,
    register: (client_id, redirectUri, more = {}) => {
      const client = {
        ...{ client_id, client_secret: clientSecret, redirect_uris: [redirectUri], response_types: ['code' as const] },
        grant_types: ['authorization_code', 'refresh_token'],
        ...more,
      };
      return change({ clients: [...state.clients.filter((known) => known.client_id !== client_id), client] });
    },
    sign: (claims, header = {}) => signed(state.keys[0] as JWK, claims, header),
    rotate: async () => change({ keys: [await newKey(), ...state.keys] }),
  };
}

const sampleAccounts = {
  jane: { email: 'jane@example.com', email_verified: true, given_name: 'Jane', family_name: 'Doe', groups: ['staff'] },
  mallory: { email: 'owner@example.com', email_verified: false, groups: [] },
};

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const kid = `key-${randomUUID()}`;
  return { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' } as JWK;
}

/** Signs claims with a key. */
export async function signed(key: JWK, claims: JWTPayload, header: Record<string, unknown> = {}): Promise<string> {
  const jwt = new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: key.kid ?? '', ...header });
  return jwt.sign(await importJWK(key as Parameters<typeof importJWK>[0], 'RS256'));
}

/** Creates the provider at the controller and registers the controller there. Returns its id. */
export async function addProvider(app: TestApp, provider: TestProvider, body: object = {}): Promise<string> {
  const clientId = `sallyport-${randomUUID()}`;
  const given = { name: 'Acme SSO', issuer: provider.issuer, clientId, clientSecret, ...body };
  const { status, json, text } = await app.request('POST', '/tenants/sign-in-providers', { body: given });
  assert.equal(status, 201, text);
  await provider.register(clientId, json.redirectUri);
  return json.id;
}

/** Signs in at the provider, as a person does in a browser. Returns the query that it sends the browser back with. */
export async function answerOf(url: string, account: string): Promise<string> {
  const cookies = new Map<string, string>();
  let [next, method] = [url, 'GET'];
  for (let step = 0; step < 10; step++) {
    const answer = await fetch(next, {
      ...{ method, redirect: 'manual' as const },
      headers: {
        cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        ...(method === 'POST' ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      },
      ...(method === 'POST' ? { body: `account=${account}` } : {}),
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    if (location === null) {
      const page = await answer.text();
      assert.equal(answer.status, 200, page);
      method = 'POST';
      continue;
    }
    next = new URL(location, next).href;
    method = 'GET';
    if (next.includes('/console/return/')) return new URL(next).search.slice(1);
  }
  throw new Error(`the provider did not send the browser back: ${next}`);
}

/** Signs in through a provider with a browser. Returns the answer of the last request. */
export async function signInThrough(browser: Browser, id: string, account: string, body: object = {}) {
  const { url } = await browser.ok('POST', `/sign-in/providers/${id}/begin`, body);
  return browser.request('POST', `/sign-in/providers/${id}/finish`, { answer: await answerOf(url, account) });
}
