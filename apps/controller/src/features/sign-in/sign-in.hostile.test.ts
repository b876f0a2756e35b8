import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { bySystem } from '../../db/contexts.ts';
import { Attempts } from '../../objects/sign-in/attempts.ts';
import { PasswordHasher } from '../../objects/sign-in/passwords.ts';
import { createSecretBox } from '../../secrets/box.ts';
import { revisionOf } from '../../testing/api.ts';
import { Browser, goodPassword, makeLink, signInOwner, signInUser } from '../../testing/browser.ts';
import { openTestApp } from '../../testing/harness.ts';
import { openCountingStore } from '../../testing/statements.ts';

test('a request with the cookie from another origin is refused, reads and streams too', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const refused = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site', origin: 'http://evil.localhost:8080' },
    { 'sec-fetch-site': 'none' },
    { 'sec-fetch-site': 'cross-site', origin: 'http://localhost:8080' },
    { 'sec-fetch-site': '', origin: 'http://localhost:8081' },
    { 'sec-fetch-site': '', origin: 'null' },
  ];
  for (const headers of refused)
    for (const path of ['/tenants/gateways', '/tenants/changes', '/tenants/me']) {
      const answer = await browser.request('GET', path, undefined, headers);
      assert.deepEqual([answer.status, answer.json.code], [403, 'cross_site'], `${path} ${JSON.stringify(headers)}`);
    }
  const before = await revisionOf(app);
  const write = { email: 'thief@example.com', groups: [] };
  assert.equal(
    (await browser.request('POST', '/tenants/users', write, { 'sec-fetch-site': 'cross-site' })).status,
    403,
  );
  assert.equal(await revisionOf(app), before);
});

test('a cookie without any word on its origin is refused', async (t) => {
  const app = await openTestApp(t);
  const { token } = await signInOwner(app);
  const cookie = `__Host-sallyport=${token}`;
  const bare = await app.request('GET', '/tenants/me', { key: null, headers: { cookie } });
  assert.equal(bare.status, 403);
  const ours = await app.request('GET', '/tenants/me', {
    key: null,
    headers: { cookie, origin: 'http://localhost:8080' },
  });
  assert.equal(ours.status, 200, 'an older browser sends the origin alone');
});

test('another site cannot sign a browser in', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  const body = { tenant: 'first', email: 'owner@example.com', password: goodPassword };
  for (const headers of [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': '', origin: 'https://evil.example' },
  ]) {
    const browser = new Browser(app);
    const answer = await browser.request('POST', '/sign-in/password', body, headers);
    assert.deepEqual([answer.status, browser.token], [403, null], JSON.stringify(headers));
  }
});

test('a session that somebody planted does not become the session of whoever signs in', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  const { browser: thief } = await signInUser(app, 'thief@example.com');
  const victim = new Browser(app);
  victim.token = thief.token;
  await victim.ok('POST', '/sign-in/password', { tenant: 'first', email: 'owner@example.com', password: goodPassword });
  assert.notEqual(victim.token, thief.token);
  assert.equal((await thief.request('GET', '/tenants/me')).status, 401, 'the planted one has ended');
});

test('the cookie of one tenant opens nothing of another', async (t) => {
  const app = await openTestApp(t);
  const first = await signInOwner(app);
  const second = await signInOwner(app, 'owner@example.com', app.other);
  await second.ok('POST', '/tenants/users', { email: 'secret@example.com', groups: [] });
  const { text } = await first.request('GET', '/tenants/users?limit=100');
  assert.doesNotMatch(text, /secret@example\.com/);
});

test('a thief of the database finds no token, no secret of a link, no password and no authenticator secret', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const { attempt, secret: totp } = await browser.ok('POST', '/tenants/me/methods/totp/offer');
  const { TOTP } = await import('otpauth');
  const code = new TOTP({ secret: totp }).generate({ timestamp: app.clock.now });
  const { codes } = await browser.ok('PUT', '/tenants/me/methods/totp', { attempt, code });
  const link = await makeLink(app, 'SET_UP', null, app.other);
  const rows = await Promise.all(
    (['sessions', 'sign_in_links', 'sign_in_methods', 'audit_events', 'change_log'] as const).map((table) =>
      app.store.db.selectFrom(table).selectAll().execute(),
    ),
  );
  const dump = JSON.stringify(rows);
  for (const secret of [
    browser.token ?? '',
    link,
    goodPassword,
    totp,
    ...codes,
    ...codes.map((one: string) => one.replaceAll('-', '')),
  ])
    assert.ok(!dump.includes(secret), 'a secret stands in the database');
});

test('opening a link many times does not spend it, and two requests at once spend it once', async (t) => {
  const app = await openTestApp(t);
  const secret = await makeLink(app, 'SET_UP', null);
  for (let i = 0; i < 5; i++) await new Browser(app).ok('POST', '/sign-in/links', { secret });
  const use = (email: string) =>
    new Browser(app).request('POST', '/sign-in/links/password', { secret, email, password: goodPassword });
  const answers = await Promise.all([use('one@example.com'), use('two@example.com')]);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 410]);
  const owners = await app.store.db.selectFrom('users').select('id').where('is_owner', '=', 1).execute();
  assert.equal(owners.length, 1);
});

test('links end by time, and a link of a user who was deactivated brings nobody back', async (t) => {
  const app = await openTestApp(t);
  const old = await makeLink(app, 'SET_UP', null);
  app.clock.now += 24 * 3600_000;
  assert.equal((await new Browser(app).request('POST', '/sign-in/links', { secret: old })).status, 410);
  const { id } = await signInUser(app, 'jane@example.com');
  const secret = await makeLink(app, 'PASSWORD', id);
  await app.request('PATCH', `/tenants/users/${id}/deactivate`);
  const answer = await new Browser(app).request('POST', '/sign-in/links/password', { secret, password: goodPassword });
  assert.equal(answer.json.code, 'sign_in_failed');
  assert.equal((await app.request('GET', `/tenants/users/${id}`)).json.status, 'DEACTIVATED');
});

test('a plain user reaches only the own account', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  const { browser } = await signInUser(app, 'jane@example.com');
  for (const path of [
    '/tenants/gateways',
    '/tenants/users',
    '/tenants/audit-events',
    '/tenants/settings',
    '/tenants/api-keys',
    '/tenants/sign-in-settings',
  ])
    assert.equal((await browser.request('GET', path)).status, 403, path);
  assert.equal((await browser.request('GET', '/tenants/me')).status, 200);
});

test('a session sees tokens of gateways masked, and gets one only freshly signed in and on the record', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const { json: gateway } = await app.request('POST', '/tenants/gateways', {
    body: { name: 'Berlin', wireguardPort: '51820' },
  });
  for (const path of ['/tenants/gateways', `/tenants/gateways/${gateway.id}`])
    assert.ok(!(await browser.request('GET', path)).text.includes(gateway.token), path);
  const path = `/tenants/gateways/${gateway.id}/reveal-token`;
  assert.equal((await browser.ok('POST', path)).token, gateway.token);
  const [event] = (await app.request('GET', '/tenants/audit-events?limit=1')).json.data;
  assert.deepEqual([event.action, event.actor.name], ['revealGatewayToken', 'owner@example.com']);
  assert.ok(!JSON.stringify(event).includes(gateway.token));
  app.clock.now += 11 * 60_000;
  assert.equal((await browser.request('POST', path)).json.code, 'fresh_sign_in_required');
});

test('more passwords at once than memory is meant for are refused', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  const body = (i: number) => ({ tenant: 'first', email: `user${i}@example.com`, password: 'wrong' });
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => new Browser(app).request('POST', '/sign-in/password', body(i))),
  );
  const codes = answers.map(({ json }) => json.code);
  assert.ok(codes.includes('rate_limited'));
  assert.ok(codes.every((code) => code === 'rate_limited' || code === 'sign_in_failed'));
});

test('guesses from one source are limited, also over many accounts', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  let refused = 0;
  for (let i = 0; i < 60; i++) {
    const body = { tenant: 'first', email: `user${i}@example.com`, password: 'wrong' };
    if ((await new Browser(app).request('POST', '/sign-in/password', body)).status === 429) refused++;
  }
  assert.equal(refused, 10);
});

test('behind a proxy that is not trusted nobody locks the others out', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  const proxied = { 'x-forwarded-for': '203.0.113.9' };
  for (let i = 0; i < 55; i++) {
    const body = { tenant: 'first', email: `user${i}@example.com`, password: 'wrong' };
    assert.equal((await new Browser(app).request('POST', '/sign-in/password', body, proxied)).status, 401);
  }
});

test('a stranger who begins many passkey sign-ins does not end those of others', async (t) => {
  const app = await openTestApp(t);
  const attempts = new Attempts<{ n: number }>(app.store, createSecretBox(randomBytes(32)));
  const own = attempts.begin({ n: 1 });
  for (let i = 0; i < 20_000; i++) attempts.begin({ n: 2 });
  assert.deepEqual(await attempts.finish(own), { n: 1 });
  await assert.rejects(attempts.finish(own), /begin again/, 'finished twice');
  const late = attempts.begin({ n: 3 });
  app.clock.now += 5 * 60_000;
  await assert.rejects(attempts.finish(late), /begin again/);
  const forged = `${attempts.begin({ n: 4 }).slice(0, -4)}AAAA`;
  await assert.rejects(attempts.finish(forged), /begin again/);
});

test('an account has one limit, whatever the letter case of its address', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  const sign = (body: object) =>
    new Browser(app).request('POST', '/sign-in/password', { email: 'owner@example.com', password: 'wrong', ...body });
  for (let i = 0; i < 10; i++) assert.equal((await sign({ tenant: 'first' })).status, 401);
  assert.equal((await sign({ tenant: 'first' })).status, 429);
  assert.equal((await sign({ tenant: 'first', email: 'OWNER@example.com' })).status, 429);
});

test('an attempt that was begun before a restart cannot be finished after it, so none is finished twice', async (t) => {
  const { clock, store } = await openTestApp(t);
  const box = createSecretBox(randomBytes(32));
  const attempts = new Attempts<{ n: number }>(store, box);
  const text = attempts.begin({ n: 1 });
  assert.deepEqual(await attempts.finish(text), { n: 1 });
  clock.now += 1000;
  await assert.rejects(new Attempts<{ n: number }>(store, box).finish(text), /begin again/);
});

test('a wrong sign-in costs one hash and the same queries, whether the account exists or not', async (t) => {
  const { store, statements } = await openCountingStore(t);
  const app = await openTestApp(t, { store });
  await signInOwner(app);
  const { id } = await signInUser(app, 'passkey@example.com');
  await app.store.db.updateTable('sign_in_methods').set({ kind: 'PASSKEY' }).where('user_id', '=', id).execute();
  const costs = [];
  for (const email of ['owner@example.com', 'nobody@example.com', 'passkey@example.com']) {
    const body = { tenant: 'first', email, password: 'wrong password here' };
    // The first failure of an account is an audit event; it is alike only from the second on.
    await new Browser(app).request('POST', '/sign-in/password', body);
    await app.store.write(bySystem(app.tenant.id, 'test'), async () => undefined);
    const hashes = t.mock.method(PasswordHasher.prototype, 'verify');
    const before = statements();
    const answer = await new Browser(app).request('POST', '/sign-in/password', body);
    costs.push([answer.status, answer.json.detail, hashes.mock.callCount(), statements() - before]);
    hashes.mock.restore();
  }
  assert.equal(costs[0]?.[2], 1);
  assert.deepEqual([costs[1], costs[2]], [costs[0], costs[0]]);
});
