/* Signs in through a real Keycloak. Run by scripts/test-keycloak.sh, which has fetched it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '@sallyport/testkit';
import { Browser } from '../../apps/controller/src/testing/browser.ts';
import { openTestApp, type TestApp } from '../../apps/controller/src/testing/harness.ts';
import { egressToHere } from '../../apps/controller/src/testing/provider.ts';

const admin = { name: 'admin', password: 'a password of the test' };
const secret = 'a secret of the test';
/** The first start builds Keycloak. */
const startMs = 600_000;

const realm = {
  realm: 'acme',
  enabled: true,
  sslRequired: 'none',
  groups: [{ name: 'engineering' }, { name: 'guests' }],
  users: [
    {
      ...{ username: 'jane', enabled: true, email: 'jane@example.com', emailVerified: true, firstName: 'Jane' },
      ...{
        lastName: 'Doe',
        groups: ['/engineering'],
        credentials: [{ type: 'password', value: 'jane', temporary: false }],
      },
    },
  ],
  clients: [
    {
      ...{ clientId: 'sallyport', secret, protocol: 'openid-connect', publicClient: false, standardFlowEnabled: true },
      redirectUris: ['http://localhost:8080/console/return/*'],
      attributes: { 'pkce.code.challenge.method': 'S256', 'backchannel.logout.session.required': 'true' },
      protocolMappers: [
        {
          ...{ name: 'groups', protocol: 'openid-connect', protocolMapper: 'oidc-group-membership-mapper' },
          config: {
            'claim.name': 'groups',
            'full.path': 'false',
            'id.token.claim': 'true',
            'userinfo.token.claim': 'true',
          },
        },
      ],
    },
  ],
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts Keycloak with the realm. Returns its address. It ends with the test. */
async function startKeycloak(t: TestContext): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'sallyport-keycloak-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  cpSync(process.env.KEYCLOAK_HOME ?? '', home, { recursive: true });
  mkdirSync(join(home, 'data/import'), { recursive: true });
  writeFileSync(join(home, 'data/import/acme.json'), JSON.stringify(realm));
  const port = await freePort();
  const args = ['start-dev', '--import-realm', '--http-host=127.0.0.1', `--http-port=${port}`];
  const child = spawn(join(home, 'bin/kc.sh'), args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...{ KC_BOOTSTRAP_ADMIN_USERNAME: admin.name, KC_BOOTSTRAP_ADMIN_PASSWORD: admin.password },
    },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  t.after(() => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  });
  const url = `http://127.0.0.1:${port}`;
  const ready = () =>
    fetch(`${url}/realms/acme/.well-known/openid-configuration`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until('Keycloak to start', async () => child.exitCode !== null || (await ready()), {
    timeoutMs: startMs,
    everyMs: 500,
  });
  assert.equal(child.exitCode, null, said);
  return url;
}

/** Calls the administration of Keycloak. */
async function administer(url: string, method: string, path: string, body?: object) {
  const token = await fetch(`${url}/realms/master/protocol/openid-connect/token`, {
    method: 'POST',
    body: new URLSearchParams({
      ...{ grant_type: 'password', client_id: 'admin-cli', username: admin.name, password: admin.password },
    }),
  });
  const { access_token } = (await token.json()) as { access_token: string };
  const answer = await fetch(`${url}/admin/realms/acme${path}`, {
    method,
    headers: { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  const text = await answer.text();
  return text === '' ? undefined : JSON.parse(text);
}

/** Fills in the form of Keycloak, as a person does. Returns the query that the browser comes back with. */
async function answerOf(url: string): Promise<string> {
  const cookies = new Map<string, string>();
  const go = async (to: string, body?: URLSearchParams) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const request = { redirect: 'manual' as const, headers: { cookie }, ...(body && { method: 'POST', body }) };
    const answer = await fetch(to, request);
    for (const set of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      cookies.set(name, value);
    }
    return answer;
  };
  const page = await (await go(url)).text();
  const action = /action="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&');
  assert.ok(action !== undefined, page);
  const sent = await go(action, new URLSearchParams({ username: 'jane', password: 'jane', credentialId: '' }));
  const back = sent.headers.get('location');
  assert.ok(back?.includes('/console/return/'), `${sent.status} ${back}`);
  return new URL(back ?? '').search.slice(1);
}

async function signIn(app: TestApp, id: string, body: object = {}): Promise<{ browser: Browser; fresh: boolean }> {
  const browser = new Browser(app);
  const { url } = await browser.ok('POST', `/sign-in/providers/${id}/begin`, body);
  const done = await browser.request('POST', `/sign-in/providers/${id}/finish`, { answer: await answerOf(url) });
  assert.equal(done.status, 200, done.text);
  return { browser, fresh: done.json.me.session.freshUntil !== undefined };
}

test('people sign in through Keycloak, are checked again, and are signed out with it', async (t) => {
  const keycloak = await startKeycloak(t);
  const app = await openTestApp(t, { egress: egressToHere });
  app.clock.now = Date.now();
  await app.app.server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.app.server.server.address() as AddressInfo;
  const group = (await app.request('POST', '/tenants/groups', { body: { name: 'Engineers', roles: [] } })).json.id;
  const made = await app.request('POST', '/tenants/sign-in-providers', {
    body: {
      ...{ name: 'Keycloak', issuer: `${keycloak}/realms/acme`, clientId: 'sallyport', clientSecret: secret },
      ...{ groupsClaim: 'groups', requiredGroup: 'engineering', provisioning: true },
      groupMapping: [{ value: 'engineering', group }],
    },
  });
  assert.equal(made.status, 201, made.text);
  const { id } = made.json;
  const [client] = await administer(keycloak, 'GET', '/clients?clientId=sallyport');
  const attributes = {
    ...client.attributes,
    'backchannel.logout.url': `http://127.0.0.1:${port}/sign-in/providers/${id}/logout`,
  };
  await administer(keycloak, 'PUT', `/clients/${client.id}`, { ...client, attributes });

  const check = (await app.request('POST', `/tenants/sign-in-providers/${id}/check`)).json;
  t.diagnostic(JSON.stringify(check));
  assert.equal(check.ok, true, JSON.stringify(check));

  const { browser, fresh } = await signIn(app, id);
  const me = await browser.ok('GET', '/tenants/me');
  assert.deepEqual([me.email, me.firstName], ['jane@example.com', 'Jane']);
  t.diagnostic(`a sign-in is fresh: ${fresh}`);
  assert.equal((await signIn(app, id, { fresh: true })).fresh, true);
  const names = async () =>
    (await app.request('GET', `/tenants/users/${me.id}`)).json.groups.map((one: { name: string }) => one.name);
  assert.ok((await names()).includes('Engineers'));

  app.clock.now += 15 * 60_000;
  await app.app.maintain();
  const isSignedIn = async () => (await browser.request('GET', '/tenants/me')).status === 200;
  assert.ok(await isSignedIn(), 'the refresh token works');
  const [grant] = await app.store.db.selectFrom('provider_grants').selectAll().orderBy('checked_at', 'desc').execute();
  assert.equal(grant?.checked_at, app.clock.now);

  app.clock.now = Date.now();
  const [jane] = await administer(keycloak, 'GET', '/users?username=jane');
  await administer(keycloak, 'POST', `/users/${jane.id}/logout`);
  await until('the logout of Keycloak to end the session', async () => !(await isSignedIn()));

  const again = await signIn(app, id);
  await administer(keycloak, 'PUT', `/users/${jane.id}`, { ...jane, enabled: false });
  app.clock.now += 16 * 60_000;
  await app.app.maintain();
  assert.equal((await again.browser.request('GET', '/tenants/me')).status, 401, 'a disabled person is signed out');
});
