import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Browser, goodPassword, signInOwner, signInUser } from '../../testing/browser.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const minute = 60_000;
const port = 40_000;

/** A command line: it knows the verifier, and its challenge is public. */
function commandLine(app: TestApp, host = 'laptop') {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const spend = (code: string, more: object = {}) =>
    app.request('POST', '/sign-in/cli', { key: null, body: { code, verifier, port, ...more } });
  return { verifier, challenge, allow: { challenge, port, host }, spend };
}

const withToken = (app: TestApp, token: string, method: 'GET' | 'POST' | 'DELETE', path: string, body?: object) =>
  app.request(method, path, {
    key: null,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body }),
  });

test('a command line gets a session of its own for the code that a person allowed', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const cli = commandLine(app, 'werk süd');
  const { code } = await browser.ok('POST', '/tenants/me/cli-code', cli.allow);
  const answer = await cli.spend(code);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers['set-cookie'], undefined);
  const { json: me } = await withToken(app, answer.json.token, 'GET', '/tenants/me');
  assert.equal(me.email, 'owner@example.com');
  const sessions = await browser.ok('GET', '/tenants/me/sessions');
  const [own] = sessions.filter(({ id }: { id: string }) => id === me.session.id);
  assert.deepEqual([own.client, own.method, own.current], ['sally on werk süd', 'LINK', false]);
  assert.equal((await withToken(app, answer.json.token, 'DELETE', '/tenants/me/session')).status, 204);
  assert.equal((await withToken(app, answer.json.token, 'GET', '/tenants/me')).status, 401);
  assert.equal((await browser.request('GET', '/tenants/me')).status, 200, 'the browser stays signed in');
});

test('a code is refused with another verifier or port, a second time, and after a minute', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const cli = commandLine(app);
  const allow = async () => (await browser.ok('POST', '/tenants/me/cli-code', cli.allow)).code;
  const refused = async (code: string, more: object = {}) => {
    const { status, json } = await cli.spend(code, more);
    assert.deepEqual([status, json.code, json.token], [401, 'sign_in_failed', undefined]);
  };
  const stolen = await allow();
  await refused(stolen, { verifier: commandLine(app).verifier });
  await refused(stolen);
  const elsewhere = await allow();
  await refused(elsewhere, { port: port + 1 });
  await refused(elsewhere);
  const used = await allow();
  assert.equal((await cli.spend(used)).status, 200);
  await refused(used);
  const replaced = await allow();
  await allow();
  await refused(replaced);
  const old = await allow();
  app.clock.now += minute;
  await refused(old);
  await refused(randomBytes(32).toString('base64url'));
});

test('two command lines at once spend a code once', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const cli = commandLine(app);
  const { code } = await browser.ok('POST', '/tenants/me/cli-code', cli.allow);
  const answers = await Promise.all([cli.spend(code), cli.spend(code)]);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 401]);
});

test('a code dies with the session that made it, and with its person', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  const cli = commandLine(app);
  const { browser, id } = await signInUser(app, 'jane@example.com');
  const first = await browser.ok('POST', '/tenants/me/cli-code', cli.allow);
  await app.request('DELETE', `/tenants/users/${id}/sessions`);
  assert.equal((await cli.spend(first.code)).json.code, 'sign_in_failed');
  await browser.ok('POST', '/sign-in/password', {
    tenant: 'first',
    email: 'jane@example.com',
    password: goodPassword,
  });
  const second = await browser.ok('POST', '/tenants/me/cli-code', cli.allow);
  await app.request('PATCH', `/tenants/users/${id}/deactivate`);
  assert.equal((await cli.spend(second.code)).json.code, 'sign_in_failed');
});

test('only a freshly signed-in person on a page of ours allows a command line', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const { allow } = commandLine(app);
  const path = '/tenants/me/cli-code';
  assert.equal((await app.request('POST', path, { body: allow })).status, 403, 'an API key is no person');
  assert.equal((await new Browser(app).request('POST', path, allow)).status, 401);
  const foreign = await browser.request('POST', path, allow, { 'sec-fetch-site': 'cross-site' });
  assert.equal(foreign.json.code, 'cross_site');
  for (const wrong of [{ port: 80 }, { port: 70_000 }, { host: 'a\u202eb' }, { host: '' }, { challenge: 'short' }])
    assert.equal((await browser.request('POST', path, { ...allow, ...wrong })).status, 400, JSON.stringify(wrong));
  app.clock.now += 10 * minute;
  assert.equal((await browser.request('POST', path, allow)).json.code, 'fresh_sign_in_required');
});

test('a command line makes no sign-in fresh again, and outlives no limit', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const until = (await browser.ok('GET', '/tenants/me')).session;
  app.clock.now += 9 * minute;
  const first = commandLine(app);
  const { code } = await browser.ok('POST', '/tenants/me/cli-code', first.allow);
  const { token } = (await first.spend(code)).json;
  const next = commandLine(app);
  const again = await withToken(app, token, 'POST', '/tenants/me/cli-code', next.allow);
  const chained = (await next.spend(again.json.code)).json.token;
  const { session } = (await withToken(app, chained, 'GET', '/tenants/me')).json;
  assert.deepEqual([session.freshUntil, session.expiresAt], [until.freshUntil, until.expiresAt]);
});

test('no secret of a command line is left in the database', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const cli = commandLine(app);
  const { code } = await browser.ok('POST', '/tenants/me/cli-code', cli.allow);
  const { token } = (await cli.spend(code)).json;
  const rows = await Promise.all(
    (['sessions', 'audit_events', 'change_log'] as const).map((table) =>
      app.store.db.selectFrom(table).selectAll().execute(),
    ),
  );
  const dump = JSON.stringify(rows);
  assert.match(dump, /sally on laptop/);
  for (const secret of [code, token, cli.verifier]) assert.ok(!dump.includes(secret));
});
