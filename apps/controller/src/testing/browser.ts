import assert from 'node:assert/strict';
import { bySystem } from '../db/contexts.ts';
import { sessionCookie } from '../http/auth.ts';
import { issueLink } from '../objects/sign-in/links.ts';
import type { TestApp, TestTenant } from './harness.ts';

/** A browser with pages of the controller open: it keeps the session cookie and says where its requests come from. */
export class Browser {
  readonly #app: TestApp;
  /** The session cookie as the browser keeps it; null without one. */
  token: string | null = null;

  constructor(app: TestApp) {
    this.#app = app;
  }

  async request(
    method: Parameters<TestApp['request']>[0],
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ) {
    const cookie: Record<string, string> =
      this.token === null ? {} : { cookie: `theme=dark; ${sessionCookie}=${this.token}` };
    const answer = await this.#app.request(method, path, {
      key: null,
      headers: { 'sec-fetch-site': 'same-origin', 'user-agent': 'Test browser', ...cookie, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const set = /^__Host-sallyport=([^;]*); (.*)$/.exec(String(answer.headers['set-cookie'] ?? ''));
    if (set !== null) {
      assert.match(set[2] ?? '', /^Path=\/; Max-Age=\d+; Secure; HttpOnly; SameSite=Strict$/);
      this.token = set[1] || null;
    }
    return answer;
  }

  /** The same, which must succeed. */
  async ok(method: Parameters<TestApp['request']>[0], path: string, body?: object) {
    const answer = await this.request(method, path, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
    return answer.json;
  }
}

/** A password that is not easy to guess. */
export const goodPassword = 'umbrella cactus violin';

/** Makes a link straight in the database, as the operator does. Returns its secret. */
export async function makeLink(
  app: TestApp,
  purpose: 'SET_UP' | 'INVITATION' | 'PASSWORD',
  user: string | null,
  tenant: TestTenant = app.tenant,
): Promise<string> {
  const { secret } = await app.store.write(bySystem(tenant.id, 'test'), (tx) => issueLink(tx, purpose, user, 'test'));
  return secret;
}

/** Sets the tenant up: its owner signs in with a password. */
export async function signInOwner(
  app: TestApp,
  email = 'owner@example.com',
  tenant: TestTenant = app.tenant,
): Promise<Browser> {
  const browser = new Browser(app);
  const secret = await makeLink(app, 'SET_UP', null, tenant);
  await browser.ok('POST', '/sign-in/links/password', { secret, email, password: goodPassword });
  return browser;
}

/** Invites a user, who signs in with a password. Returns the browser and the user's id. */
export async function signInUser(
  app: TestApp,
  email: string,
  role?: string,
): Promise<{ browser: Browser; id: string }> {
  const { json: user } = await app.request('POST', '/tenants/users', { body: { email, groups: [] } });
  if (role !== undefined) {
    const roles = (await app.request('GET', '/tenants/roles')).json as { id: string; type: string }[];
    const addedRoles = roles.filter(({ type }) => type === role).map(({ id }) => id);
    await app.request('PATCH', `/tenants/users/${user.id}/roles`, { body: { addedRoles, removedRoles: [] } });
  }
  return { browser: await acceptInvitation(app, user.id), id: user.id };
}

/** Lets an invited user sign in with a password. */
export async function acceptInvitation(app: TestApp, user: string): Promise<Browser> {
  const browser = new Browser(app);
  const secret = await makeLink(app, 'INVITATION', user);
  await browser.ok('POST', '/sign-in/links/password', { secret, password: goodPassword });
  return browser;
}
