import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Browser, signInOwner, signInUser } from '../../testing/browser.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { type HostileProvider, startHostileProvider } from '../../testing/hostile-provider.ts';
import { egressToHere } from '../../testing/provider.ts';

interface World {
  readonly app: TestApp;
  readonly provider: HostileProvider;
  readonly id: string;
}

/** Jane is invited, and the provider has a good answer about her. */
async function open(t: TestContext): Promise<World> {
  const app = await openTestApp(t, { egress: egressToHere });
  app.clock.now = Date.now();
  await app.request('POST', '/tenants/users', { body: { email: 'jane@example.com', groups: [] } });
  const provider = await startHostileProvider(t);
  return { app, provider, id: await register(app, provider, 'Acme SSO') };
}

async function register(app: TestApp, { issuer }: HostileProvider, name: string): Promise<string> {
  const body = { name, issuer, clientId: `client of ${name}`, clientSecret: 'x' };
  return (await app.request('POST', '/tenants/sign-in-providers', { body })).json.id;
}

const begin = async (browser: Browser, id: string): Promise<string> =>
  (await browser.ok('POST', `/sign-in/providers/${id}/begin`, {})).url;

const finish = (browser: Browser, id: string, answer: string) =>
  browser.request('POST', `/sign-in/providers/${id}/finish`, { answer });

/** A whole sign-in with a new browser. */
async function attempt({ app, provider, id }: World) {
  const browser = new Browser(app);
  const answer = await finish(browser, id, provider.answer(await begin(browser, id)));
  assert.equal(browser.token !== null, answer.status === 200, 'a session begins only with success');
  return answer;
}

const refused = async (world: World, why: string, text: RegExp) => {
  const { status, json } = await attempt(world);
  assert.ok(status === 401 || status === 424, `${why}: ${status}`);
  assert.match(json.detail, text, why);
};

test('the good answer signs in, so that the others are refused for what is wrong in them', async (t) => {
  const world = await open(t);
  const { status, text } = await attempt(world);
  assert.equal(status, 200, text);
});

test('an ID token of another issuer, client, sign-in or time is refused', async (t) => {
  const world = await open(t);
  const now = Math.floor(Date.now() / 1000);
  const wrong: [string, Record<string, unknown>, RegExp][] = [
    ['issuer', { iss: 'https://evil.example' }, /another issuer, client or sign-in/],
    ['client', { aud: 'another client' }, /another issuer, client or sign-in/],
    ['several clients', { aud: ['client of Acme SSO', 'evil'], azp: 'evil' }, /another issuer|not valid/],
    ['nonce', { nonce: 'of another sign-in' }, /another issuer, client or sign-in/],
    ['no nonce', { nonce: undefined }, /another issuer, client or sign-in|not valid/],
    ['expired', { exp: now - 120 }, /too old or not valid yet/],
    ['from the future', { nbf: now + 600 }, /too old or not valid yet/],
    ['no subject', { sub: undefined }, /not valid/],
    ['a long subject', { sub: 'x'.repeat(300) }, /255/],
  ];
  for (const [why, claims, text] of wrong) {
    world.provider.claims = claims;
    await refused(world, why, text);
  }
  world.provider.claims = { exp: now - 20, iat: now - 300 };
  assert.equal((await attempt(world)).status, 200, 'clocks may be a little apart');
});

test('an ID token without a signature, with a wrong one, or by an unknown key is refused', async (t) => {
  const world = await open(t);
  const { provider } = world;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const forged: [string, (claims: object) => string][] = [
    ['none', (claims) => `${part({ alg: 'none' })}.${part(claims)}.`],
    ['symmetric', (claims) => `${part({ alg: 'HS256' })}.${part(claims)}.AAAA`],
    ['wrong', (claims) => `${part({ alg: 'RS256', kid: 'only' })}.${part(claims)}.${'A'.repeat(342)}`],
    ['unknown key', (claims) => `${part({ alg: 'RS256', kid: 'other' })}.${part(claims)}.${'A'.repeat(342)}`],
    ['no token', () => 'nonsense'],
  ];
  for (const [why, make] of forged) {
    provider.idToken = make;
    await refused(world, why, /Acme SSO: /);
  }
});

test('a return counts once, in the browser that began it, for the provider that it was begun with', async (t) => {
  const world = await open(t);
  const { app, provider, id } = world;
  const victim = new Browser(app);
  const answer = provider.answer(await begin(victim, id));
  const stranger = new Browser(app);
  assert.equal((await finish(stranger, id, answer)).status, 401, 'without the cookie');
  await begin(stranger, id);
  assert.equal((await finish(stranger, id, answer)).status, 401, 'with the cookie of another sign-in');
  const { begun } = victim;
  assert.equal((await finish(victim, id, answer)).status, 200);
  victim.begun = begun;
  assert.equal((await finish(victim, id, answer)).status, 401, 'a second time');
  const late = new Browser(app);
  const lateAnswer = provider.answer(await begin(late, id));
  app.clock.now += 10 * 60_000;
  assert.equal((await finish(late, id, lateAnswer)).status, 401, 'after ten minutes');
  for (const forged of ['', 'x', Buffer.from('{"provider":"x"}').toString('base64')]) {
    late.begun = forged;
    assert.equal((await finish(late, id, lateAnswer)).status, 401, 'with a forged cookie');
  }
});

test('the answer of one provider does not pass for that of another', async (t) => {
  const world = await open(t);
  const { app, provider, id } = world;
  const evil = await startHostileProvider(t);
  const other = await register(app, evil, 'Other SSO');
  const browser = new Browser(app);
  const url = await begin(browser, id);
  const { begun } = browser;
  assert.match((await finish(browser, other, evil.answer(url))).json.detail, /another provider/);
  browser.begun = begun;
  const mixed = new Browser(app);
  const answer = provider.answer(await begin(mixed, id), { iss: evil.issuer });
  assert.equal((await finish(mixed, id, answer)).status, 401, 'it names another issuer (RFC 9207)');
  const nameless = new Browser(app);
  const query = new URLSearchParams(provider.answer(await begin(nameless, id)));
  query.delete('iss');
  assert.equal((await finish(nameless, id, String(query))).status, 401, 'it hides its issuer');
  assert.deepEqual(
    evil.asked.filter((path) => path === '/token'),
    [],
    'no code goes to the other provider',
  );
  assert.deepEqual(
    provider.asked.filter((path) => path === '/token'),
    [],
  );
});

test('answers with a wrong state, two codes or an error do not sign in', async (t) => {
  const { app, provider, id } = await open(t);
  const tried: ((good: string) => string)[] = [
    (good) => good.replace(/state=[^&]*/, 'state=other'),
    (good) => good.replace(/state=[^&]*&?/, ''),
    (good) => `${good}&state=other`,
    (good) => `${good}&code=other`,
    (good) => good.replace(/code=[^&]*/, 'error=access_denied'),
    () => '',
    () => '%',
  ];
  for (const change of tried) {
    const browser = new Browser(app);
    const good = provider.answer(await begin(browser, id));
    const { status, json } = await finish(browser, id, change(good));
    assert.deepEqual([status, json.code, browser.token], [401, 'sign_in_failed', null], change(good));
  }
});

test('a session that was planted before is no longer one after the sign-in', async (t) => {
  const { app, provider, id } = await open(t);
  const { browser: attacker } = await signInUser(app, 'mallory@example.com');
  const victim = new Browser(app);
  victim.token = attacker.token;
  const answer = provider.answer(await begin(victim, id));
  const { json } = await finish(victim, id, answer);
  assert.equal(json.me.email, 'jane@example.com');
  assert.notEqual(victim.token, attacker.token);
  assert.equal((await attacker.request('GET', '/tenants/me')).status, 401);
});

test('an account is linked only in the session that asked for it', async (t) => {
  const { app, provider, id } = await open(t);
  const { browser: attacker } = await signInUser(app, 'mallory@example.com');
  const { browser: victim } = await signInUser(app, 'other@example.com');
  const begun = await attacker.ok('POST', `/tenants/me/methods/providers/${id}`, {});
  const answer = provider.answer(begun.url);
  victim.begun = attacker.begun;
  assert.equal((await finish(victim, id, answer)).status, 401, 'the cookie was planted');
  const again = await attacker.ok('POST', `/tenants/me/methods/providers/${id}`, {});
  await attacker.request('DELETE', '/tenants/me/session');
  assert.equal((await finish(attacker, id, provider.answer(again.url))).status, 401, 'the session has ended');
  assert.deepEqual(
    await app.store.db.selectFrom('sign_in_methods').selectAll().where('kind', '=', 'PROVIDER').execute(),
    [],
  );
});

test('the page to come back to is one of the console', async (t) => {
  const { app, id } = await open(t);
  const browser = new Browser(app);
  for (const page of [
    '//evil.example',
    'https://evil.example',
    '/console\\evil',
    '/console/../..//evil',
    '/consolex',
    'javascript:1',
    '/console/#x',
    '/console/?a=//x',
  ])
    assert.equal((await browser.request('POST', `/sign-in/providers/${id}/begin`, { page })).status, 400, page);
});

test('a page of another site begins and finishes nothing', async (t) => {
  const { app, provider, id } = await open(t);
  const browser = new Browser(app);
  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }]) {
    const begun = await browser.request('POST', `/sign-in/providers/${id}/begin`, {}, headers);
    assert.deepEqual([begun.status, begun.json.code], [403, 'cross_site']);
  }
  const answer = provider.answer(await begin(browser, id));
  const finished = await browser.request(
    'POST',
    `/sign-in/providers/${id}/finish`,
    { answer },
    { 'sec-fetch-site': 'cross-site' },
  );
  assert.equal(finished.json.code, 'cross_site');
});

test('metadata that is huge, slow, redirected, of another issuer or without TLS is refused with the reason', async (t) => {
  const world = await open(t);
  const { app, provider, id } = world;
  const tried: [string, Partial<HostileProvider>, RegExp][] = [
    ['huge', { instead: (_, response) => !!response.writeHead(200).end('x'.repeat(600_000)) }, /512 KiB/],
    ['no JSON', { instead: (_, response) => !!response.writeHead(200).end('<html>') }, /JSON/],
    ['redirect', { instead: (_, r) => !!r.writeHead(302, { location: 'http://169.254.169.254/' }).end() }, /redirect/],
    ['failure', { instead: (_, response) => !!response.writeHead(500).end() }, /HTTP status/],
    ['silence', { instead: (request) => !!request.socket.destroy() }, /cannot be reached/],
    ['issuer', { metadata: { issuer: 'https://evil.example' } }, /another issuer/],
    ['endpoint', { metadata: { authorization_endpoint: 'javascript:alert(1)' } }, /authorization_endpoint/],
    ['endpoint elsewhere', { metadata: { token_endpoint: 'http://192.0.2.1/token' } }, /token_endpoint/],
    ['no keys', { metadata: { jwks_uri: undefined } }, /jwks_uri/],
  ];
  const browser = new Browser(app);
  for (const [why, bent, text] of tried) {
    Object.assign(provider, { instead: null, metadata: {} }, bent);
    const check = await app.request('POST', `/tenants/sign-in-providers/${id}/check`);
    assert.equal(check.json.ok, false, why);
    assert.match(check.json.findings.at(-1).message, text, why);
    app.clock.now += 11 * 60_000;
    const begun = await browser.request('POST', `/sign-in/providers/${id}/begin`, {});
    assert.ok(begun.status === 424, `${why}: ${begun.text}`);
  }
});

test('strangers who begin many sign-ins make the controller ask the provider once', async (t) => {
  const { app, provider, id } = await open(t);
  await Promise.all(Array.from({ length: 30 }, () => begin(new Browser(app), id)));
  const asked = () => provider.asked.filter((path) => path.includes('well-known')).length;
  assert.equal(asked(), 1);
  provider.instead = (_, response) => !!response.writeHead(500).end();
  app.clock.now += 11 * 60_000;
  for (let n = 0; n < 5; n++) await new Browser(app).request('POST', `/sign-in/providers/${id}/begin`, {});
  assert.equal(asked(), 2, 'a failure is remembered too');
});

test('the controller calls no private address for a tenant unless its operator allows it', async (t) => {
  const app = await openTestApp(t);
  const provider = await startHostileProvider(t);
  const owner = await signInOwner(app);
  for (const issuer of [provider.issuer, 'https://169.254.169.254', 'https://10.0.0.1', 'https://[::1]:1/x']) {
    const body = { name: issuer, issuer, clientId: 'x' };
    const { id } = await owner.ok('POST', '/tenants/sign-in-providers', body);
    const { ok, findings } = await owner.ok('POST', `/tenants/sign-in-providers/${id}/check`);
    assert.equal(ok, false);
    assert.match(findings.at(-1).message, /cannot be reached: .*SALLYPORT_EGRESS_ALLOW/, issuer);
  }
  assert.deepEqual(provider.asked, []);
});

test('shared issuers need the organisation that may sign in', async (t) => {
  const { app } = await open(t);
  const create = (body: object) =>
    app.request('POST', '/tenants/sign-in-providers', { body: { name: 'x', clientId: 'x', ...body } });
  const google = { issuer: 'https://accounts.google.com' };
  assert.equal((await create(google)).json.errors[0].pointer, '/hostedDomains');
  const entra = { issuer: 'https://login.microsoftonline.com/common/v2.0' };
  assert.equal((await create(entra)).json.errors[0].pointer, '/entraTenants');
  assert.equal((await create({ ...google, hostedDomains: ['example.com'] })).status, 201);
  for (const issuer of [
    'ftp://x.example',
    'http://x.example',
    'https://u:p@x.example',
    'https://x.example/?a',
    'https://x.example/#a',
  ])
    assert.equal((await create({ issuer })).status, 400, issuer);
});

test('claims of another organisation or an unverified address are refused', async (t) => {
  const world = await open(t);
  const { app, provider, id } = world;
  const patch = (body: object) => app.request('PATCH', `/tenants/sign-in-providers/${id}`, { body });
  await patch({ hostedDomains: ['example.com'] });
  await refused(world, 'no hd', /claim hd/);
  provider.claims = { hd: 'evil.example' };
  await refused(world, 'another hd', /claim hd/);
  await patch({ hostedDomains: [], emailDomains: ['example.com'] });
  provider.claims = { email_verified: false };
  await refused(world, 'unverified', /verified e-mail address/);
  provider.claims = { email: 'jane@example.com.evil.example' };
  await refused(world, 'another domain', /verified e-mail address/);
  provider.claims = { email: 'jane@EXAMPLE.com' };
  assert.equal((await attempt(world)).status, 200);
});

test('hostile claims get into no name', async (t) => {
  const world = await open(t);
  const { app, provider, id } = world;
  const body = { requiredGroup: 'staff', groupsClaim: 'roles.names', provisioning: true };
  await app.request('PATCH', `/tenants/sign-in-providers/${id}`, { body });
  const name = `\u202e<script>\u0000${'x'.repeat(500)}\ud800`;
  const groups = { roles: { names: ['staff', '__proto__', 'constructor'] } };
  provider.claims = { sub: '__proto__', email: 'new@example.com', given_name: name, family_name: { a: 1 }, ...groups };
  const { status, json, text } = await attempt(world);
  assert.equal(status, 200, text);
  assert.match(json.me.firstName, /^<script>x+$/);
  assert.ok(json.me.firstName.length <= 120);
  assert.equal(json.me.lastName, undefined);
});
