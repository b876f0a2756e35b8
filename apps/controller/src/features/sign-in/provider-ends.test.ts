import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Browser } from '../../testing/browser.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { addProvider, egressToHere, signInThrough, startProvider, type TestProvider } from '../../testing/provider.ts';

const minute = 60_000;
const hour = 60 * minute;
const logoutEvent = { 'http://schemas.openid.net/event/backchannel-logout': {} };

interface World {
  readonly app: TestApp;
  readonly provider: TestProvider;
  readonly id: string;
  readonly clientId: string;
  readonly user: string;
}

async function open(t: TestContext, body: object = {}): Promise<World> {
  const app = await openTestApp(t, { egress: egressToHere });
  app.clock.now = Date.now();
  const provider = await startProvider(t);
  const invited = await app.request('POST', '/tenants/users', { body: { email: 'jane@example.com', groups: [] } });
  const id = await addProvider(app, provider, body);
  const { clientId } = (await app.request('GET', `/tenants/sign-in-providers/${id}`)).json;
  return { app, provider, id, clientId, user: invited.json.id };
}

async function signIn({ app, id }: World): Promise<Browser> {
  const browser = new Browser(app);
  const { status, text } = await signInThrough(browser, id, 'jane');
  assert.equal(status, 200, text);
  return browser;
}

const isSignedIn = async (browser: Browser): Promise<boolean> =>
  (await browser.request('GET', '/tenants/me')).status === 200;

/** Lets the controller do what is due. */
const maintain = ({ app }: World): Promise<void> => app.app.maintain();

test('the provider is asked again after 15 minutes, and its no ends the session', async (t) => {
  const world = await open(t);
  const browser = await signIn(world);
  const [before] = await world.app.store.db.selectFrom('provider_grants').selectAll().execute();
  assert.ok(before?.refresh_token && !before.refresh_token.includes('.'), 'the refresh token is sealed');
  world.app.clock.now += 15 * minute;
  await maintain(world);
  const [after] = await world.app.store.db.selectFrom('provider_grants').selectAll().execute();
  assert.equal(after?.checked_at, world.app.clock.now);
  assert.ok(await isSignedIn(browser));
  await world.provider.change({ accounts: {} });
  world.app.clock.now += 15 * minute;
  await maintain(world);
  assert.equal(await isSignedIn(browser), false);
  const { data } = (await world.app.request('GET', '/tenants/audit-events?limit=20')).json;
  assert.ok(JSON.stringify(data).includes('"sessions":"ended"'));
});

test('groups follow the claim while the person stays signed in', async (t) => {
  const world = await open(t, { groupsClaim: 'groups', scopes: ['email', 'groups'] });
  const { app, user } = world;
  await app.request('POST', '/tenants/groups', { body: { name: 'Staff', roles: [], idpMapping: ['staff'] } });
  await signIn(world);
  const names = async () =>
    (await app.request('GET', `/tenants/users/${user}`)).json.groups.map((g: { name: string }) => g.name);
  assert.ok((await names()).includes('Staff'));
  await world.provider.change({ accounts: { jane: { email: 'jane@example.com', email_verified: true, groups: [] } } });
  app.clock.now += 15 * minute;
  await maintain(world);
  assert.ok(!(await names()).includes('Staff'));
});

test('who leaves the required group is signed out at the next check', async (t) => {
  const limits = { groupsClaim: 'groups', requiredGroup: 'staff', scopes: ['email', 'groups'] };
  const world = await open(t, limits);
  const browser = await signIn(world);
  await world.provider.change({
    accounts: { jane: { email: 'jane@example.com', email_verified: true, groups: ['x'] } },
  });
  world.app.clock.now += 15 * minute;
  await maintain(world);
  assert.equal(await isSignedIn(browser), false);
  const { text } = await world.app.request('GET', '/tenants/audit-events?limit=5');
  assert.ok(text.includes('no longer in the required group'), text);
});

test('a provider that does not answer changes nothing for eight hours', async (t) => {
  const world = await open(t);
  const browser = await signIn(world);
  // The keys of another client: the provider answers, but not with a no.
  await world.provider.change({ clients: [] });
  for (let passed = 0; passed < 7.5 * hour; passed += hour / 2) {
    world.app.clock.now += hour / 2;
    await maintain(world);
    assert.ok(await isSignedIn(browser));
  }
  world.app.clock.now += hour / 2;
  assert.equal(await isSignedIn(browser), false);
});

test('without a refresh token a session ends after eight hours', async (t) => {
  const world = await open(t);
  const { redirectUri } = (await world.app.request('GET', `/tenants/sign-in-providers/${world.id}`)).json;
  await world.provider.register(world.clientId, redirectUri, { grant_types: ['authorization_code'] });
  const browser = await signIn(world);
  for (let passed = 0; passed < 7; passed++) {
    world.app.clock.now += hour;
    assert.ok(await isSignedIn(browser));
  }
  world.app.clock.now += hour;
  assert.equal(await isSignedIn(browser), false);
});

test('a refresh token goes when the person signs out', async (t) => {
  const world = await open(t);
  const browser = await signIn(world);
  assert.equal((await browser.request('DELETE', '/tenants/me/session')).status, 204);
  await maintain(world);
  assert.deepEqual(await world.app.store.db.selectFrom('provider_grants').selectAll().execute(), []);
});

/** A logout as the provider sends it. */
async function logout({ app, provider, id, clientId }: World, claims: object, header: Record<string, unknown> = {}) {
  const now = Math.floor(Date.now() / 1000);
  const full = { iss: provider.issuer, aud: clientId, iat: now, exp: now + 120, jti: crypto.randomUUID() };
  const token = await provider.sign({ ...full, events: logoutEvent, ...claims }, { typ: 'logout+jwt', ...header });
  return send(app, id, token);
}

async function send(app: TestApp, id: string, token: string): Promise<number> {
  const { statusCode } = await app.app.server.inject({
    method: 'POST',
    url: `/sign-in/providers/${id}/logout`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: String(new URLSearchParams({ logout_token: token })),
  });
  return statusCode;
}

test('a logout at the provider ends the sessions of the person, also those of command lines', async (t) => {
  const world = await open(t);
  const { app } = world;
  const browser = await signIn(world);
  const [session] = await app.store.db.selectFrom('sessions').selectAll().execute();
  await app.store.db
    .insertInto('sessions')
    .values({ ...session, id: 'of a command line', token_hash: 'x' } as never)
    .execute();
  assert.equal(await logout(world, { sub: 'someone else' }), 200);
  assert.ok(await isSignedIn(browser));
  assert.equal(await logout(world, { sub: 'jane' }), 200);
  assert.equal(await isSignedIn(browser), false);
  assert.deepEqual(await app.store.db.selectFrom('sessions').selectAll().execute(), []);
});

test('a logout of one session of the provider leaves the others', async (t) => {
  const world = await open(t);
  const { app } = world;
  const [first, second] = [await signIn(world), await signIn(world)];
  const grants = await app.store.db.selectFrom('provider_grants').selectAll().orderBy('id').execute();
  for (const [n, { id }] of grants.entries())
    await app.store.db
      .updateTable('provider_grants')
      .set({ sid: `session ${n}` })
      .where('id', '=', id)
      .execute();
  assert.equal(await logout(world, { sid: 'session 0' }), 200);
  assert.deepEqual([await isSignedIn(first), await isSignedIn(second)], [false, true]);
});

test('a logout token counts once, and only for sessions before it', async (t) => {
  const world = await open(t);
  await signIn(world);
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: 'jane', jti: 'once', iat: now };
  assert.equal(await logout(world, claims), 200);
  const browser = await signIn(world);
  assert.equal(await logout(world, claims), 400, 'a replay');
  assert.ok(await isSignedIn(browser));
  world.app.clock.now += 10 * minute;
  const later = await signIn(world);
  assert.equal(await logout(world, { ...claims, jti: 'another' }), 200);
  assert.ok(await isSignedIn(later), 'it began after the token was made');
});

test('a wrong logout token ends nothing', async (t) => {
  const world = await open(t);
  const browser = await signIn(world);
  const now = Math.floor(Date.now() / 1000);
  const wrong: Record<string, object> = {
    client: { aud: 'another' },
    issuer: { iss: 'https://evil.example' },
    'no event': { events: {} },
    'an ID token': { events: undefined },
    nonce: { nonce: 'x' },
    'no jti': { jti: undefined },
    old: { iat: now - 3600 },
    'no iat': { iat: undefined },
    future: { iat: now + 3600 },
    expired: { exp: now - 120 },
    nothing: {},
  };
  for (const [why, claims] of Object.entries(wrong))
    assert.equal(await logout(world, why === 'nothing' ? {} : { sub: 'jane', ...claims }), 400, why);
  assert.equal(await logout(world, { sub: 'jane' }, { kid: 'unknown' }), 400, 'an unknown key');
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const unsigned = {
    iss: world.provider.issuer,
    aud: world.clientId,
    iat: now,
    jti: 'x',
    sub: 'jane',
    events: logoutEvent,
  };
  for (const token of [`${part({ alg: 'none' })}.${part(unsigned)}.`, '', 'x', 'a.b.c'])
    assert.equal(await send(world.app, world.id, token), 400, token);
  assert.ok(await isSignedIn(browser));
});

test('a logout token of one provider does nothing at another', async (t) => {
  const world = await open(t);
  const browser = await signIn(world);
  const other = await addProvider(world.app, world.provider, { name: 'Other' });
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: world.provider.issuer,
    aud: world.clientId,
    iat: now,
    jti: 'x',
    sub: 'jane',
    events: logoutEvent,
  };
  assert.equal(await send(world.app, other, await world.provider.sign(claims)), 400);
  assert.equal(await send(world.app, crypto.randomUUID(), await world.provider.sign(claims)), 400);
  assert.ok(await isSignedIn(browser));
});

test('new keys of the provider are fetched', async (t) => {
  const world = await open(t);
  await signIn(world);
  await world.provider.rotate();
  world.app.clock.now += 11 * minute;
  await signIn(world);
});
