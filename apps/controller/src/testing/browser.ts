import assert from 'node:assert/strict';
import { bySystem } from '../db/contexts.ts';
import { returnCookie, sessionCookie } from '../http/auth.ts';
import { issueLink } from '../objects/sign-in/links.ts';
import type { TestApp, TestTenant } from './harness.ts';

/** A browser with pages of the controller open: it keeps the session cookie and says where its requests come from. */
export class Browser {
  readonly #app: TestApp;
  /** The session cookie as the browser keeps it; null without one. */
  token: string | null = null;
  /** The cookie that binds the return from a provider; null without one. */
  begun: string | null = null;

  constructor(app: TestApp) {
    this.#app = app;
  }

  async request(
    method: Parameters<TestApp['request']>[0],
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ) {
    const kept = [
      ...(this.token === null ? [] : ['theme=dark', `${sessionCookie}=${this.token}`]),
      ...(this.begun === null ? [] : [`${returnCookie}=${this.begun}`]),
    ];
    const cookie: Record<string, string> = kept.length === 0 ? {} : { cookie: kept.join('; ') };
    const answer = await this.#app.request(method, path, {
      key: null,
      headers: { 'sec-fetch-site': 'same-origin', 'user-agent': 'Test browser', ...cookie, ...headers },
      ...(body === undefined ? {} : { body }),
    });
    for (const text of [answer.headers['set-cookie'] ?? []].flat()) {
      const [, name, value, attributes = ''] = /^([^=]+)=([^;]*); (.*)$/.exec(String(text)) ?? [];
      const site = name === sessionCookie ? 'Strict' : 'Lax';
      assert.match(attributes, new RegExp(`^Path=/; Max-Age=\\d+; Secure; HttpOnly; SameSite=${site}$`));
      if (name === sessionCookie) this.token = value || null;
      else if (name === returnCookie) this.begun = value || null;
      else assert.fail(`an unknown cookie: ${name}`);
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
