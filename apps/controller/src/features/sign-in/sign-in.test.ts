import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TOTP } from 'otpauth';
import { setUpLink } from '../../objects/sign-in/set-up.ts';
import { createSecretBox } from '../../secrets/box.ts';
import { revisionOf } from '../../testing/api.ts';
import { Browser, goodPassword, makeLink, signInOwner, signInUser } from '../../testing/browser.ts';
import { openTestApp } from '../../testing/harness.ts';

const minute = 60_000;
const hour = 60 * minute;

test('a set-up link makes the first owner, once', async (t) => {
  const app = await openTestApp(t);
  const browser = new Browser(app);
  const secret = await makeLink(app, 'SET_UP', null);
  const link = await browser.ok('POST', '/sign-in/links', { secret });
  assert.deepEqual([link.purpose, link.tenant, link.email], ['SET_UP', 'First', undefined]);
  const body = { secret, email: 'Owner@example.com', firstName: 'Ada', password: goodPassword };
  const me = await browser.ok('POST', '/sign-in/links/password', body);
  assert.deepEqual(
    [me.email, me.firstName, me.role, me.isOwner, me.tenant.slug],
    ['Owner@example.com', 'Ada', 'OWNER', true, 'first'],
  );
  assert.deepEqual(await browser.ok('GET', '/tenants/me'), me);
  assert.equal((await browser.request('GET', '/tenants/gateways')).status, 200);
  const again = await new Browser(app).request('POST', '/sign-in/links/password', body);
  assert.deepEqual([again.status, again.json.code], [410, 'link_gone']);
});

test('a set-up link is told again while other controllers run, and replaced when none does', async (t) => {
  const app = await openTestApp(t);
  const box = createSecretBox(Buffer.alloc(32, 7));
  const make = (others: boolean) => setUpLink(app.store, app.tenant.id, { box, others });
  const first = await make(true);
  assert.match(first ?? '', /^spl_[\w-]{43}$/);
  assert.equal(await make(true), first);
  const second = await make(false);
  assert.notEqual(second, first);
  const link = await new Browser(app).request('POST', '/sign-in/links', { secret: first });
  assert.deepEqual([link.status, link.json.code], [410, 'link_gone']);
  assert.equal(await make(true), second);
  app.clock.now += 25 * hour;
  const third = await make(true);
  assert.notEqual(third, second, 'an old link is not told');
  const body = { secret: third, email: 'owner@example.com', firstName: 'Ada', password: goodPassword };
  await new Browser(app).ok('POST', '/sign-in/links/password', body);
  assert.equal(await make(true), null);
});

test('a password signs in; a wrong password and an unknown account get the same answer', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  const browser = new Browser(app);
  const sign = (body: object) => browser.request('POST', '/sign-in/password', { tenant: 'first', ...body });
  const answers = [
    await sign({ email: 'owner@example.com', password: 'wrong' }),
    await sign({ email: 'nobody@example.com', password: goodPassword }),
    await sign({ tenant: 'second', email: 'owner@example.com', password: goodPassword }),
    await sign({ tenant: 'no-such-tenant', email: 'owner@example.com', password: goodPassword }),
  ];
  const seen = answers.map(({ status, json }) => [status, json.code, json.detail]);
  for (const one of seen) assert.deepEqual(one, seen[0]);
  assert.equal(seen[0]?.[0], 401);
  assert.equal(browser.token, null);
  assert.equal((await sign({ email: 'OWNER@example.com', password: goodPassword })).status, 200);
  assert.equal((await browser.ok('GET', '/tenants/me')).email, 'owner@example.com');
});

test('with several tenants a password without a short name signs nobody in', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  const body = { email: 'owner@example.com', password: goodPassword };
  assert.equal((await new Browser(app).request('POST', '/sign-in/password', body)).status, 401);
  assert.equal((await new Browser(app).ok('GET', '/sign-in')).tenants, 'SEVERAL');
});

test('signing in again replaces the session and makes it fresh', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const create = () => browser.request('POST', '/tenants/api-keys', { name: 'ci' });
  assert.equal((await create()).status, 201);
  app.clock.now += 11 * minute;
  assert.deepEqual([(await create()).json.code], ['fresh_sign_in_required']);
  const before = browser.token;
  await browser.ok('POST', '/sign-in/password', {
    tenant: 'first',
    email: 'owner@example.com',
    password: goodPassword,
  });
  assert.equal((await create()).status, 201);
  const old = new Browser(app);
  old.token = before;
  assert.equal((await old.request('GET', '/tenants/me')).status, 401);
  assert.equal((await browser.ok('GET', '/tenants/me/sessions')).length, 1);
});

test('a session ends after idle time, after its absolute limit, and at sign-out', async (t) => {
  const app = await openTestApp(t);
  const idle = await signInOwner(app);
  const status = async (browser: Browser) => (await browser.request('GET', '/tenants/me')).status;
  app.clock.now += 11 * hour;
  assert.equal(await status(idle), 200);
  app.clock.now += 11 * hour;
  assert.equal(await status(idle), 200, 'the request eleven hours ago renewed it');
  app.clock.now += 12 * hour;
  assert.equal(await status(idle), 401);
  const busy = await signInOwner(app);
  for (let hours = 0; hours < 7 * 24 - 6; hours += 6) {
    app.clock.now += 6 * hour;
    assert.equal(await status(busy), 200, `after ${hours + 6} hours`);
  }
  app.clock.now += 6 * hour;
  assert.equal(await status(busy), 401);
  const leaving = await signInOwner(app);
  const { token } = leaving;
  assert.equal((await leaving.request('DELETE', '/tenants/me/session')).status, 204);
  assert.equal(leaving.token, null);
  leaving.token = token;
  assert.equal(await status(leaving), 401);
});

test('moments of use survive a restart of what is kept in memory', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  app.clock.now += 11 * hour;
  await browser.ok('GET', '/tenants/me');
  await app.app.maintain();
  const [row] = await app.store.db.selectFrom('sessions').selectAll().execute();
  assert.equal(row?.seen_at, app.clock.now);
});

test('a role change and a deactivation count at the next request', async (t) => {
  const app = await openTestApp(t);
  const { browser, id } = await signInUser(app, 'jane@example.com', 'ADMIN');
  const list = async () => (await browser.request('GET', '/tenants/users')).status;
  assert.equal(await list(), 200);
  const roles = (await app.request('GET', `/tenants/users/${id}/roles?rolesOnly=true`)).json as { id: string }[];
  const body = { addedRoles: [], removedRoles: roles.map((role) => role.id) };
  assert.equal((await app.request('PATCH', `/tenants/users/${id}/roles`, { body })).status, 200);
  assert.equal(await list(), 403, 'a plain user by the default group');
  assert.equal((await browser.ok('GET', '/tenants/me')).role, 'BASIC');
  await app.request('PATCH', `/tenants/users/${id}/deactivate`);
  assert.equal((await browser.request('GET', '/tenants/me')).status, 401);
  const signIn = { tenant: 'first', email: 'jane@example.com', password: goodPassword };
  assert.equal((await new Browser(app).request('POST', '/sign-in/password', signIn)).json.code, 'sign_in_failed');
});

test('the highest role of the user counts, and groups only without one', async (t) => {
  const app = await openTestApp(t);
  const { browser, id } = await signInUser(app, 'jane@example.com', 'AUDITOR');
  const roles = (await app.request('GET', '/tenants/roles')).json as { id: string; type: string }[];
  const admin = roles.find(({ type }) => type === 'ADMIN')?.id;
  const { json: group } = await app.request('POST', '/tenants/groups', { body: { name: 'Admins', roles: [admin] } });
  await app.request('POST', `/tenants/users/${id}/groups`, { body: { groupId: group.id } });
  assert.equal((await browser.ok('GET', '/tenants/me')).role, 'AUDITOR');
  const auditor = roles.find(({ type }) => type === 'AUDITOR')?.id;
  await app.request('DELETE', `/tenants/roles/${auditor}/users/${id}`);
  assert.equal((await browser.ok('GET', '/tenants/me')).role, 'ADMIN');
});

test('an authenticator app is asked for after the password, and each code counts once', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const { attempt, secret } = await browser.ok('POST', '/tenants/me/methods/totp/offer');
  const totp = new TOTP({ secret });
  const code = () => totp.generate({ timestamp: app.clock.now });
  const { codes } = await browser.ok('PUT', '/tenants/me/methods/totp', { attempt, code: code() });
  assert.equal(codes.length, 10);
  const sign = async (given?: string, password = goodPassword) => {
    const body = {
      tenant: 'first',
      email: 'owner@example.com',
      password,
      ...(given === undefined ? {} : { code: given }),
    };
    return (await new Browser(app).request('POST', '/sign-in/password', body)).json.code ?? 'signed in';
  };
  assert.equal(await sign(), 'second_factor_required');
  assert.equal(await sign(undefined, 'wrong'), 'sign_in_failed', 'a wrong password does not tell that a code is set');
  assert.equal(await sign(code()), 'sign_in_failed', 'the code that confirmed the app is spent');
  app.clock.now += 60_000;
  assert.equal(await sign(code()), 'signed in');
  assert.equal(await sign(code()), 'sign_in_failed', 'the same step again');
  assert.equal(await sign(codes[0]), 'signed in');
  assert.equal(await sign(codes[0]), 'sign_in_failed', 'a recovery code is good once');
  const methods = (await browser.ok('GET', '/tenants/me/methods')) as { kind: string; left?: number }[];
  assert.equal(methods.find(({ kind }) => kind === 'RECOVERY_CODES')?.left, 9);
});

test('failures are limited for an account, also for one that does not exist', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  for (const email of ['owner@example.com', 'nobody@example.com']) {
    const sign = (password: string) =>
      new Browser(app).request('POST', '/sign-in/password', { tenant: 'first', email, password });
    for (let i = 0; i < 10; i++) assert.equal((await sign('wrong')).status, 401);
    const refused = await sign(goodPassword);
    assert.deepEqual([refused.status, refused.json.code], [429, 'rate_limited']);
    assert.ok(Number(refused.headers['retry-after']) > 800);
  }
  app.clock.now += 15 * minute;
  const body = { tenant: 'first', email: 'owner@example.com', password: goodPassword };
  assert.equal((await new Browser(app).request('POST', '/sign-in/password', body)).status, 200);
});

test('passwords that a guesser tries first are refused with what to do', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  for (const password of [
    'password1234',
    'P4ssw0rd!2024',
    'qwertyuiop12',
    'aaaaaaaaaaaa',
    'abcdefghijkl',
    'owner12345678',
    'firstfirst12',
    'letmein-please',
    '123456789012',
  ])
    assert.equal(
      (await browser.request('PUT', '/tenants/me/methods/password', { password })).json.code,
      'weak_password',
      password,
    );
  for (const password of ['correct horse battery staple', 'umbrella cactus', 'Zx8#kQ!2vLp0'])
    assert.equal((await browser.request('PUT', '/tenants/me/methods/password', { password })).status, 204, password);
});

test('a new password ends the other sessions; the last way in stays', async (t) => {
  const app = await openTestApp(t);
  const first = await signInOwner(app);
  const second = new Browser(app);
  await second.ok('POST', '/sign-in/password', { tenant: 'first', email: 'owner@example.com', password: goodPassword });
  await second.ok('PUT', '/tenants/me/methods/password', { password: 'another umbrella cactus' });
  assert.equal((await first.request('GET', '/tenants/me')).status, 401);
  const [method] = await second.ok('GET', '/tenants/me/methods');
  const refused = await second.request('DELETE', `/tenants/me/methods/${method.id}`);
  assert.deepEqual([refused.status, refused.json.code], [409, 'last_method']);
});

test('a user sees and ends only own sessions', async (t) => {
  const app = await openTestApp(t);
  const owner = await signInOwner(app);
  const { browser } = await signInUser(app, 'jane@example.com');
  const [own] = await owner.ok('GET', '/tenants/me/sessions');
  assert.equal(own.current, true);
  assert.equal((await browser.request('DELETE', `/tenants/me/sessions/${own.id}`)).status, 404);
  assert.equal((await owner.request('GET', '/tenants/me')).status, 200);
  const other = new Browser(app);
  await other.ok('POST', '/sign-in/password', { tenant: 'first', email: 'jane@example.com', password: goodPassword });
  await other.ok('DELETE', '/tenants/me/sessions');
  assert.equal((await browser.request('GET', '/tenants/me')).status, 401);
  assert.equal((await other.request('GET', '/tenants/me')).status, 200);
});

test('an administrator makes an invitation link and resets a sign-in, but not that of the owner', async (t) => {
  const app = await openTestApp(t);
  const owner = await signInOwner(app);
  const { browser: admin } = await signInUser(app, 'admin@example.com', 'ADMIN');
  const user = await admin.ok('POST', '/tenants/users', { email: 'jane@example.com', groups: [] });
  const { url } = await admin.ok('POST', `/tenants/users/${user.id}/invitation-link`);
  assert.match(url, /^http:\/\/localhost:8080\/console\/link#spl_[\w-]{43}$/);
  const newer = await admin.ok('POST', `/tenants/users/${user.id}/invitation-link`);
  const open = (link: string) => new Browser(app).request('POST', '/sign-in/links', { secret: link.split('#')[1] });
  assert.equal((await open(url)).status, 410, 'a newer link ends an older one');
  assert.equal((await open(newer.url)).json.email, 'jane@example.com');
  const jane = new Browser(app);
  await jane.ok('POST', '/sign-in/links/password', { secret: newer.url.split('#')[1], password: goodPassword });
  assert.equal((await app.request('GET', `/tenants/users/${user.id}`)).json.status, 'ACTIVE');
  const reset = await admin.ok('POST', `/tenants/users/${user.id}/reset-sign-in`);
  assert.equal((await jane.request('GET', '/tenants/me')).status, 401);
  assert.equal((await open(reset.url)).json.purpose, 'PASSWORD');
  const me = await owner.ok('GET', '/tenants/me');
  assert.equal((await admin.request('POST', `/tenants/users/${me.id}/reset-sign-in`)).json.code, 'last_owner');
  assert.equal((await admin.request('DELETE', `/tenants/users/${me.id}/sessions`)).json.code, 'last_owner');
});

test('sign-ins and failures are audit events and no revisions, and the chain of events holds', async (t) => {
  const app = await openTestApp(t);
  await signInOwner(app);
  const before = await revisionOf(app);
  const sign = (password: string) =>
    new Browser(app).request('POST', '/sign-in/password', { tenant: 'first', email: 'owner@example.com', password });
  await sign('wrong');
  await sign('wrong');
  await sign(goodPassword);
  assert.equal(await revisionOf(app), before);
  const events = (await app.request('GET', '/tenants/audit-events?limit=3')).json.data as {
    action: string;
    actor: { kind: string };
  }[];
  assert.deepEqual(
    events.map(({ action }) => action),
    ['signIn', 'signInFailed', 'signIn'],
  );
  assert.equal(events[0]?.actor.kind, 'user');
  await app.request('POST', '/tenants/users', { body: { email: 'jane@example.com', groups: [] } });
  assert.equal((await app.request('GET', '/tenants/audit-events/verify')).json.intact, true);
});

test('sign-in settings are checked, and nobody locks themselves out', async (t) => {
  const app = await openTestApp(t);
  const browser = await signInOwner(app);
  const path = '/tenants/sign-in-settings';
  const patch = (body: object) => browser.request('PATCH', path, body);
  assert.deepEqual((await patch({ slug: 'second' })).json.code, 'slug_taken');
  assert.equal((await patch({ methods: ['PASSKEY'] })).json.errors[0].pointer, '/methods');
  assert.equal((await patch({ secondFactor: 'REQUIRED' })).json.errors[0].pointer, '/secondFactor');
  const changed = await browser.ok('PATCH', path, { slug: 'acme', idleMinutes: 30, absoluteHours: 12 });
  assert.deepEqual(changed, {
    slug: 'acme',
    methods: ['PASSKEY', 'PASSWORD', 'PROVIDER'],
    secondFactor: 'OPTIONAL',
    idleMinutes: 30,
    absoluteHours: 12,
    notices: ['METHODS'],
  });
  assert.deepEqual(await browser.ok('GET', path), changed);
  app.clock.now += 30 * minute;
  assert.equal((await browser.request('GET', '/tenants/me')).status, 401);
});

test('people sign in only where browsers keep a sign-in safe', async (t) => {
  for (const [publicUrl, available, url] of [
    ['https://vpn.example.com', true, 'https://vpn.example.com'],
    ['http://localhost:8080', true, 'http://localhost:8080'],
    ['http://127.0.0.1:8080', true, 'http://localhost:8080'],
    ['http://vpn.example.com', false, 'http://vpn.example.com'],
    ['http://192.0.2.1:8080', false, 'http://192.0.2.1:8080'],
    ['https://192.0.2.1', false, 'https://192.0.2.1'],
  ] as const) {
    const app = await openTestApp(t, { publicUrl });
    const options = await new Browser(app).ok('GET', '/sign-in');
    assert.deepEqual([options.available, options.url], [available, url], publicUrl);
    if (available) continue;
    assert.match(options.reason, /SALLYPORT_PUBLIC_URL/);
    const body = { tenant: 'first', email: 'owner@example.com', password: goodPassword };
    assert.equal((await new Browser(app).request('POST', '/sign-in/password', body)).json.code, 'sign_in_unavailable');
  }
});

test('an invitation link makes an expired invitation valid again', async (t) => {
  const app = await openTestApp(t);
  const owner = await signInOwner(app);
  const user = await owner.ok('POST', '/tenants/users', { email: 'jane@example.com', groups: [] });
  const statusOfJane = async () => (await app.request('GET', `/tenants/users/${user.id}`)).json.status;
  app.clock.now += 8 * 24 * hour;
  assert.equal(await statusOfJane(), 'EXPIRED');
  const { json } = await app.request('POST', `/tenants/users/${user.id}/invitation-link`);
  assert.equal(await statusOfJane(), 'INVITED');
  const jane = new Browser(app);
  await jane.ok('POST', '/sign-in/links/password', { secret: json.url.split('#')[1], password: goodPassword });
  assert.equal(await statusOfJane(), 'ACTIVE');
});
