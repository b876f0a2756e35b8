import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Browser, goodPassword, signInOwner, signInUser } from '../../testing/browser.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import {
  addProvider,
  answerOf,
  egressToHere,
  signInThrough,
  startProvider,
  type TestProvider,
} from '../../testing/provider.ts';

/** The provider's tokens carry the time of the system, so the controller's clock shows it too. */
async function open(t: TestContext): Promise<{ app: TestApp; provider: TestProvider }> {
  const app = await openTestApp(t, { egress: egressToHere });
  app.clock.now = Date.now();
  return { app, provider: await startProvider(t) };
}

const invite = async (app: TestApp, email: string): Promise<string> =>
  (await app.request('POST', '/tenants/users', { body: { email, groups: [] } })).json.id;

const makeGroup = async (app: TestApp, name: string, more: object = {}): Promise<string> =>
  (await app.request('POST', '/tenants/groups', { body: { name, roles: [], ...more } })).json.id;

const groupNames = async (app: TestApp, user: string): Promise<string[]> =>
  (await app.request('GET', `/tenants/users/${user}`)).json.groups.map(({ name }: { name: string }) => name).sort();

const failure = ({ status, json }: { status: number; json: { code: string; detail: string } }) =>
  `${status} ${json.code}: ${json.detail}`;

test('a verified address links to an invited user, who is active from then on', async (t) => {
  const { app, provider } = await open(t);
  const user = await invite(app, 'jane@example.com');
  const id = await addProvider(app, provider);
  assert.deepEqual(await new Browser(app).ok('GET', '/sign-in/providers?tenant=first'), [{ id, label: 'Acme SSO' }]);
  const browser = new Browser(app);
  const { status, json, text } = await signInThrough(browser, id, 'jane', { page: '/console/devices?q=a' });
  assert.equal(status, 200, text);
  assert.deepEqual([json.linked, json.page, json.me.id, json.me.role], [false, '/console/devices?q=a', user, 'BASIC']);
  assert.equal(browser.begun, null, 'the return cookie is forgotten');
  assert.equal((await browser.ok('GET', '/tenants/me')).email, 'jane@example.com');
  assert.equal((await app.request('GET', `/tenants/users/${user}`)).json.status, 'ACTIVE');
  const [method] = await browser.ok('GET', '/tenants/me/methods');
  assert.deepEqual([method.kind, method.name, method.account], ['PROVIDER', 'Acme SSO', 'jane@example.com']);
  assert.equal((await browser.ok('GET', '/tenants/me/sessions'))[0].method, 'PROVIDER');
  assert.equal((await signInThrough(new Browser(app), id, 'jane')).status, 200, 'the linked account signs in again');
});

test('an address links to no user who has a method or a role, and not when it is unverified', async (t) => {
  const { app, provider } = await open(t);
  await signInOwner(app);
  await signInUser(app, 'jane@example.com');
  const admin = await invite(app, 'admin@example.com');
  const roles = (await app.request('GET', '/tenants/roles')).json as { id: string; type: string }[];
  const addedRoles = roles.filter(({ type }) => type === 'SUPPORT').map(({ id }) => id);
  await app.request('PATCH', `/tenants/users/${admin}/roles`, { body: { addedRoles, removedRoles: [] } });
  await invite(app, 'new@example.com');
  await provider.change({
    accounts: {
      jane: { email: 'jane@example.com', email_verified: true },
      owner: { email: 'owner@example.com', email_verified: true },
      admin: { email: 'admin@example.com', email_verified: true },
      mallory: { email: 'new@example.com', email_verified: false },
      unsaid: { email: 'new@example.com' },
      nobody: { email: 'nobody@example.com', email_verified: true },
    },
  });
  const id = await addProvider(app, provider);
  for (const account of ['jane', 'owner', 'admin', 'mallory', 'unsaid', 'nobody']) {
    const browser = new Browser(app);
    const answer = await signInThrough(browser, id, account);
    assert.match(failure(answer), /^401 sign_in_failed: The account at Acme SSO /, account);
    assert.equal(browser.token, null, account);
  }
  const { data } = (await app.request('GET', '/tenants/audit-events?limit=50')).json;
  const refusals = data.filter((event: { action: string }) => event.action === 'signInRefused');
  assert.equal(refusals.length, 6, 'each is an audit event');
});

test('new people come only where the provider says who may, and keep their address', async (t) => {
  const { app, provider } = await open(t);
  const open_ = { name: 'x', issuer: provider.issuer, clientId: 'x', provisioning: true };
  const refused = await app.request('POST', '/tenants/sign-in-providers', { body: open_ });
  assert.deepEqual([refused.status, refused.json.errors[0].pointer], [400, '/provisioning']);
  const body = {
    provisioning: true,
    groupsClaim: 'groups',
    requiredGroup: 'staff',
    scopes: ['email', 'profile', 'groups'],
  };
  const id = await addProvider(app, provider, body);
  const entered = await signInThrough(new Browser(app), id, 'jane');
  assert.equal(entered.status, 200, entered.text);
  const { id: user, email, firstName, lastName } = entered.json.me;
  assert.deepEqual([email, firstName, lastName], ['jane@example.com', 'Jane', 'Doe']);
  await provider.change({
    accounts: {
      jane: { email: 'other@example.com', email_verified: true, given_name: 'Eve', groups: ['staff'] },
      guest: { email: 'guest@example.com', email_verified: true, groups: ['guests'] },
      silent: { email: 'silent@example.com', email_verified: true },
    },
  });
  const again = await signInThrough(new Browser(app), id, 'jane');
  assert.deepEqual([again.json.me.id, again.json.me.email, again.json.me.firstName], [user, email, 'Jane']);
  for (const account of ['guest', 'silent'])
    assert.match(failure(await signInThrough(new Browser(app), id, account)), /not in the group/, account);
});

test('groups follow the claim: a missing one changes nothing, an empty one removes, others stay', async (t) => {
  const { app, provider } = await open(t);
  const user = await invite(app, 'jane@example.com');
  const engineers = await makeGroup(app, 'Engineers');
  await makeGroup(app, 'Named', { idpMapping: ['staff'] });
  const manual = await makeGroup(app, 'Manual');
  await app.request('POST', `/tenants/users/${user}/groups`, { body: { groupId: manual } });
  const groupMapping = [{ value: 'eng', group: engineers }];
  const id = await addProvider(app, provider, { groupsClaim: 'groups', groupMapping, scopes: ['email', 'groups'] });
  const after = async (groups: unknown, more: object = {}) => {
    const jane = {
      email: 'jane@example.com',
      email_verified: true,
      ...(groups === undefined ? {} : { groups }),
      ...more,
    };
    await provider.change({ accounts: { jane } });
    const { status, text } = await signInThrough(new Browser(app), id, 'jane');
    assert.equal(status, 200, text);
    return groupNames(app, user);
  };
  const own = (await groupNames(app, user)).filter((name) => name !== 'Manual');
  const plain = [...own, 'Manual'].sort();
  const all = [...plain, 'Engineers', 'Named'].sort();
  assert.deepEqual(await after(['eng', 'staff', 'unknown']), all);
  assert.deepEqual(await after(undefined), all, 'missing');
  assert.deepEqual(await after(Array.from({ length: 1001 }, (_, n) => `g${n}`)), all, 'overflowing');
  assert.deepEqual(await after([1]), all, 'of another form');
  assert.deepEqual(await after('eng'), [...plain, 'Engineers'].sort(), 'one value');
  assert.deepEqual(await after([]), plain, 'empty');
  await after(['eng']);
  const members = async () => (await app.request('GET', `/tenants/groups/${engineers}`)).json.users;
  assert.deepEqual(
    (await members()).map((one: { provider?: string }) => one.provider),
    [id],
  );
  await app.request('PATCH', `/tenants/sign-in-providers/${id}`, { body: { groupMapping: [] } });
  assert.deepEqual(await groupNames(app, user), plain, 'a removed mapping counts at once');
  await app.request('PATCH', `/tenants/sign-in-providers/${id}`, { body: { groupMapping } });
  await after(['eng']);
  await app.request('POST', `/tenants/users/${user}/groups`, { body: { groupId: engineers } });
  assert.deepEqual(await after([]), [...plain, 'Engineers'].sort(), 'an administrator added it too');
  assert.equal((await members())[0].provider, undefined);
});

test('a person links a provider while freshly signed in, to this account only', async (t) => {
  const { app, provider } = await open(t);
  const { browser, id: user } = await signInUser(app, 'someone@example.com', 'ADMIN');
  const id = await addProvider(app, provider);
  app.clock.now += 11 * 60_000;
  const stale = await browser.request('POST', `/tenants/me/methods/providers/${id}`, {});
  assert.equal(stale.json.code, 'fresh_sign_in_required');
  app.clock.now = Date.now();
  const { url } = await browser.ok('POST', `/tenants/me/methods/providers/${id}`, { page: '/console/account' });
  const answer = await answerOf(url, 'mallory');
  const linked = await browser.ok('POST', `/sign-in/providers/${id}/finish`, { answer });
  assert.deepEqual([linked.linked, linked.page, linked.me.id], [true, '/console/account', user]);
  const entered = await signInThrough(new Browser(app), id, 'mallory');
  assert.deepEqual([entered.json.me.id, entered.json.me.role], [user, 'ADMIN'], 'an unverified address links so too');
  const other = await signInUser(app, 'other@example.com');
  const begun = await other.browser.ok('POST', `/tenants/me/methods/providers/${id}`, {});
  const taken = await other.browser.request('POST', `/sign-in/providers/${id}/finish`, {
    answer: await answerOf(begun.url, 'mallory'),
  });
  assert.deepEqual([taken.status, taken.json.code], [409, 'identity_taken']);
  const methods = await browser.ok('GET', '/tenants/me/methods');
  const method = methods.find(({ kind }: { kind: string }) => kind === 'PROVIDER');
  assert.equal((await browser.request('DELETE', `/tenants/me/methods/${method.id}`)).status, 204);
  assert.equal((await signInThrough(new Browser(app), id, 'mallory')).status, 401);
});

test('only a sign-in that the provider dates is fresh, unless its owner says otherwise', async (t) => {
  const { app, provider } = await open(t);
  await invite(app, 'jane@example.com');
  const id = await addProvider(app, provider);
  const fresh = async (body: object) =>
    (await signInThrough(new Browser(app), id, 'jane', body)).json.me.session.freshUntil;
  assert.equal(await fresh({}), undefined, 'the provider does not say when');
  assert.notEqual(await fresh({ fresh: true }), undefined, 'asked for max_age, it does');
  await app.request('PATCH', `/tenants/sign-in-providers/${id}`, { body: { requireAuthTime: false } });
  assert.equal(await fresh({}), undefined, 'a session of the provider may be old');
  assert.notEqual(await fresh({ fresh: true }), undefined);
});

test('a required second factor must be assured', async (t) => {
  const { app, provider } = await open(t);
  await invite(app, 'jane@example.com');
  const id = await addProvider(app, provider);
  const body = { secondFactor: 'REQUIRED' };
  assert.equal((await app.request('PATCH', '/tenants/sign-in-settings', { body })).status, 200);
  assert.match(failure(await signInThrough(new Browser(app), id, 'jane')), /^403 method_not_allowed_here/);
  await app.request('PATCH', `/tenants/sign-in-providers/${id}`, { body: { assuresSecondFactor: true } });
  assert.equal((await signInThrough(new Browser(app), id, 'jane')).status, 200);
});

test('a provider is disabled or removed with its sessions and memberships, but not under an owner', async (t) => {
  const { app, provider } = await open(t);
  const user = await invite(app, 'jane@example.com');
  const group = await makeGroup(app, 'Engineers');
  const more = { groupsClaim: 'groups', groupMapping: [{ value: 'staff', group }], scopes: ['email', 'groups'] };
  const id = await addProvider(app, provider, more);
  const browser = new Browser(app);
  await signInThrough(browser, id, 'jane');
  const patch = (body: object) => app.request('PATCH', `/tenants/sign-in-providers/${id}`, { body });
  assert.equal((await patch({ issuer: 'https://id.example.com' })).json.code, 'in_use');
  assert.equal((await patch({ enabled: false })).status, 200);
  assert.equal((await browser.request('GET', '/tenants/me')).status, 401);
  assert.equal((await browser.request('POST', `/sign-in/providers/${id}/begin`, {})).status, 404);
  assert.deepEqual(await browser.ok('GET', '/sign-in/providers?tenant=first'), []);
  await patch({ enabled: true });
  await signInThrough(browser, id, 'jane');
  assert.ok((await groupNames(app, user)).includes('Engineers'));
  assert.equal((await app.request('DELETE', `/tenants/sign-in-providers/${id}`)).status, 204);
  assert.equal((await browser.request('GET', '/tenants/me')).status, 401);
  assert.ok(!(await groupNames(app, user)).includes('Engineers'));
  assert.ok((await groupNames(app, user)).length > 0, 'everybody is in a group');
});

test('the only way in of an owner stays', async (t) => {
  const { app, provider } = await open(t);
  const owner = await signInOwner(app);
  const id = await addProvider(app, provider);
  const { url } = await owner.ok('POST', `/tenants/me/methods/providers/${id}`, {});
  await owner.ok('POST', `/sign-in/providers/${id}/finish`, { answer: await answerOf(url, 'mallory') });
  const methods = await owner.ok('GET', '/tenants/me/methods');
  const password = methods.find(({ kind }: { kind: string }) => kind === 'PASSWORD');
  assert.equal((await owner.request('DELETE', `/tenants/me/methods/${password.id}`)).status, 204);
  for (const [method, body] of [['DELETE'], ['PATCH', { enabled: false }]] as const)
    assert.equal(
      (await app.request(method, `/tenants/sign-in-providers/${id}`, body && { body })).json.code,
      'last_method',
    );
  await app.request('PATCH', '/tenants/sign-in-settings', { body: { methods: ['PASSKEY'] } });
  assert.match(failure(await signInThrough2(app, id)), /^403 method_not_allowed_here/);
});

const signInThrough2 = (app: TestApp, id: string) =>
  new Browser(app).request('POST', `/sign-in/providers/${id}/begin`, {});

test('the secret of a provider is in no answer, and people without the right to own see only the rest', async (t) => {
  const { app, provider } = await open(t);
  const id = await addProvider(app, provider, { clientSecret: 'never-shown' });
  const texts = [
    (await app.request('GET', '/tenants/sign-in-providers')).text,
    (await app.request('GET', `/tenants/sign-in-providers/${id}`)).text,
    (await app.request('GET', '/tenants/audit-events?limit=50')).text,
    JSON.stringify(await app.store.db.selectFrom('identity_providers').selectAll().execute()),
  ];
  for (const text of texts) assert.ok(!text.includes('never-shown'));
  const key = await app.key('ADMIN');
  assert.equal((await app.request('GET', '/tenants/sign-in-providers', { key })).status, 200);
  const body = { name: 'Mine', issuer: provider.issuer, clientId: 'x' };
  assert.equal((await app.request('POST', '/tenants/sign-in-providers', { key, body })).json.code, 'forbidden');
  const { browser } = await signInUser(app, 'jane@example.com', 'ADMIN');
  assert.equal((await browser.request('DELETE', `/tenants/sign-in-providers/${id}`)).json.code, 'forbidden');
  const owner = await signInOwner(app);
  app.clock.now += 11 * 60_000;
  const late = await owner.request('POST', '/tenants/sign-in-providers', body);
  assert.equal(late.json.code, 'fresh_sign_in_required');
  assert.ok(goodPassword.length > 0);
});

test('only owners let a provider give roles above User', async (t) => {
  const { app, provider } = await open(t);
  const key = await app.key('ADMIN');
  const roles = (await app.request('GET', '/tenants/roles')).json as { id: string; type: string }[];
  const admin = roles.filter(({ type }) => type === 'ADMIN').map(({ id }) => id);
  const create = (body: object, as = key) => app.request('POST', '/tenants/groups', { key: as, body });
  assert.equal((await create({ name: 'A', roles: admin, idpMapping: ['x'] })).json.code, 'forbidden');
  assert.equal((await create({ name: 'B', roles: admin, isSamlDefaultGroup: true })).json.code, 'forbidden');
  const plain = (await create({ name: 'C', roles: admin })).json.id;
  const put = (id: string, body: object) => app.request('PUT', `/tenants/groups/${id}`, { key, body });
  assert.equal((await put(plain, { name: 'C', roles: admin, idpMapping: ['x'] })).json.code, 'forbidden');
  const mapped = (await create({ name: 'D', roles: [], idpMapping: ['x'] })).json.id;
  assert.equal((await put(mapped, { name: 'D', roles: admin })).json.code, 'forbidden');
  const target = await makeGroup(app, 'E');
  await addProvider(app, provider, { groupsClaim: 'groups', groupMapping: [{ value: 'x', group: target }] });
  assert.equal((await put(target, { name: 'E', roles: admin })).json.code, 'forbidden');
  const owned = await create({ name: 'F', roles: admin, idpMapping: ['x'] }, app.tenant.key);
  assert.equal(owned.status, 201);
  assert.equal(
    (await put(owned.json.id, { name: 'renamed', roles: admin })).status,
    200,
    'other changes stay possible',
  );
});

test('a check says what is wrong', async (t) => {
  const { app, provider } = await open(t);
  const id = await addProvider(app, provider, { scopes: ['openid', 'payroll'], groupsClaim: 'teams' });
  const check = async () => (await app.request('POST', `/tenants/sign-in-providers/${id}/check`)).json;
  const good = await check();
  const messages = good.findings.map(({ message }: { message: string }) => message).join('\n');
  assert.equal(good.ok, true, messages);
  assert.match(messages, /scope payroll/);
  assert.match(messages, /claim teams/);
  await app.request('PATCH', `/tenants/sign-in-providers/${id}`, { body: { clientSecret: 'wrong' } });
  const wrong = await check();
  assert.equal(wrong.ok, false);
  assert.match(wrong.findings.at(-1).message, /client id or the client secret is wrong/);
  await app.request('PATCH', `/tenants/sign-in-providers/${id}`, { body: { issuer: 'https://10.9.8.7' } });
  assert.match((await check()).findings.at(-1).message, /SALLYPORT_EGRESS_ALLOW/);
});
