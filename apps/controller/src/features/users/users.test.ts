import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { assertRefused, lastChanges, makers, revisionOf } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { defaultGroup, giveDevice, makeOwner, membersOfPolicy, nameInPolicy, readUser } from '../../testing/people.ts';

const path = '/tenants/users';
const missing = '11111111-2222-4333-8444-555555555555';
const day = 24 * 3600 * 1000;

async function start(t: TestContext) {
  const app = await openTestApp(t);
  return { app, make: makers(app), main: await defaultGroup(app) };
}

const put = (app: TestApp, id: string, body: object, headers = {}) =>
  app.request('PUT', `${path}/${id}`, { body, headers });

const countUsers = async (app: TestApp): Promise<number> => (await app.request('GET', path)).json.total;

test('an invited user is in the default group, has its role, and is read back the same', async (t) => {
  const { app, make, main } = await start(t);
  const made = await make.user('Jane.Smith@Example.com');
  const { id, createdAt, updatedAt, roles, groups, ...rest } = made;
  assert.deepEqual(rest, {
    email: 'Jane.Smith@Example.com',
    status: 'INVITED',
    isOwner: false,
    maxDevices: null,
    devices: [],
  });
  assert.deepEqual(
    roles.map(({ type }: { type: string }) => type),
    ['BASIC'],
  );
  assert.deepEqual(groups[0].id, main.id);
  assert.deepEqual([createdAt, updatedAt], [new Date(app.clock.now).toISOString(), createdAt]);
  assert.deepEqual(await readUser(app, id), made);
  assert.deepEqual(await lastChanges(app), ['createUsers: user', 'createUsers: group']);
});

test('an address whose part before @ is longer than mail allows is refused', async (t) => {
  const { app, make } = await start(t);
  await make.user(`${'a'.repeat(64)}@example.com`);
  const body = { email: `${'a'.repeat(65)}@example.com`, groups: [] };
  await assertRefused(app, ['POST', '/tenants/users', { body }], 400, 'invalid_request', ['/email']);
});

test('groups of a request are taken exactly, as ids of any letter case or as objects', async (t) => {
  const { app, make } = await start(t);
  const [a, b] = [await make.group('a'), await make.group('b')];
  const body = { email: 'x@example.com', groups: [a.id.toUpperCase(), b] };
  const answer = await app.request('POST', path, { body });
  assert.deepEqual(
    answer.json.groups.map(({ name }: { name: string }) => name),
    ['a', 'b'],
  );
});

test('many users are made at once, answered in order and as one revision', async (t) => {
  const { app, make } = await start(t);
  const { id: staff } = await make.group('staff');
  const before = await revisionOf(app);
  const body = Array.from({ length: 100 }, (_, i) => ({ email: `u${99 - i}@example.com`, groups: [staff] }));
  const answer = await app.request('POST', path, { body });
  assert.equal(answer.status, 201, answer.text);
  assert.deepEqual(
    answer.json.map(({ email }: { email: string }) => email),
    body.map(({ email }) => email),
  );
  assert.equal(await revisionOf(app), before + 1);
  assert.equal((await app.request('GET', `/tenants/groups/${staff}`)).json.users.length, 100);
});

test('one bad user of many refuses all of them and is named by its place', async (t) => {
  const { app, make, main } = await start(t);
  await make.user('jane@example.com');
  const refused = (body: object, status: number, code: Parameters<typeof assertRefused>[3], pointers: string[]) =>
    assertRefused(app, ['POST', path, { body }], status, code, pointers);
  const ok = { email: 'ok@example.com', groups: [] };
  await refused({ email: 'JANE@example.com', groups: [] }, 409, 'email_taken', ['/email']);
  await refused([ok, { email: 'Jane@Example.COM', groups: [] }], 409, 'email_taken', ['/1/email']);
  await refused([ok, { ...ok, email: 'x@example.com' }, { ...ok, email: 'OK@example.com' }], 409, 'email_taken', [
    '/2/email',
  ]);
  await refused([ok, { email: 'y@example.com', groups: [main.id, missing] }], 400, 'invalid_reference', [
    '/1/groups/1',
  ]);
  await refused({ ...ok, groups: [main.id, main.id] }, 400, 'invalid_request', ['/groups/1']);
  const foreign = await defaultGroup(app, app.other.key);
  await refused({ ...ok, groups: [foreign.id] }, 400, 'invalid_reference', ['/groups/0']);
  await refused([ok, { email: 'nonsense', groups: [] }], 400, 'invalid_request', ['/1/email']);
  await refused({ email: 'z@example.com' }, 400, 'invalid_request', ['/groups']);
  await assertRefused(app, ['POST', path, { body: [] }], 400, 'invalid_request');
  assert.equal(await countUsers(app), 1);
  await app.request('POST', path, { body: { email: 'jane@example.com', groups: [] }, key: app.other.key });
  assert.equal(await countUsers(app), 1, 'another tenant may have a user with the same address');
});

test('an invitation ends after seven days and starts again when renewed', async (t) => {
  const { app, make } = await start(t);
  const { id } = await make.user('jane@example.com');
  const status = async () => (await readUser(app, id)).status;
  app.clock.now += 7 * day - 1;
  assert.equal(await status(), 'INVITED');
  app.clock.now += 1;
  assert.equal(await status(), 'EXPIRED');
  const revision = await revisionOf(app);
  const renewed = await app.request('POST', `${path}/${id}/invite`);
  assert.deepEqual([renewed.status, renewed.text], [201, '']);
  assert.equal(await status(), 'INVITED');
  assert.deepEqual([await revisionOf(app), await lastChanges(app)], [revision + 1, ['inviteUser: user']]);
  app.clock.now += 7 * day - 1;
  assert.equal(await status(), 'INVITED');
});

test('only invited users are invited again', async (t) => {
  const { app, make } = await start(t);
  const { id } = await make.user('jane@example.com');
  await app.store.db.updateTable('users').set({ status: 'ACTIVE' }).where('id', '=', id).execute();
  await assertRefused(app, ['POST', `${path}/${id}/invite`], 409, 'not_invited');
  await app.request('PATCH', `${path}/${id}/deactivate`);
  await assertRefused(app, ['POST', `${path}/${id}/invite`], 409, 'not_invited');
  await assertRefused(app, ['POST', `${path}/${missing}/invite`], 404, 'not_found');
});

test('an update writes what it names, null takes away, read-only fields are ignored', async (t) => {
  const { app, make } = await start(t);
  const made = await make.user('jane@example.com');
  app.clock.now += 5;
  const given = {
    firstName: 'Jane',
    lastName: 'Smith',
    image: 'https://example.com/jane.jpg',
    department: 'Engineering',
    attributes: { level: 3, teams: ['a', 'b'], admin: false, title: 'x' },
    maxDevices: 0,
  };
  const changed = await put(app, made.id, given);
  assert.deepEqual(changed.json, { ...made, ...given, updatedAt: new Date(app.clock.now).toISOString() });
  const partly = await put(app, made.id, { lastName: null, department: '', attributes: {}, maxDevices: null });
  const { lastName, department, attributes, ...rest } = changed.json;
  assert.deepEqual(partly.json, { ...rest, maxDevices: null });
  const back = await put(app, made.id, { ...partly.json, email: 'other@example.com', status: 'ACTIVE', isOwner: true });
  assert.deepEqual([back.status, back.json], [200, partly.json]);
  assert.equal(back.headers.etag, partly.headers.etag, 'nothing changed');
  await put(app, made.id, { attributes: { b: 1, a: 2 } });
  const revision = await revisionOf(app);
  await put(app, made.id, { attributes: { a: 2, b: 1 } });
  assert.equal(await revisionOf(app), revision, 'attributes have no order');
});

test('bad fields and old versions change nothing', async (t) => {
  const { app, make } = await start(t);
  const { id } = await make.user('jane@example.com');
  const refused = (body: object, pointers: string[]) =>
    assertRefused(app, ['PUT', `${path}/${id}`, { body }], 400, 'invalid_request', pointers);
  await refused({ maxDevices: -1 }, ['/maxDevices']);
  await refused({ firstName: 'a\u0007' }, ['/firstName']);
  await refused({ attributes: { 'not a name': 1 } }, ['/attributes/not a name']);
  await refused({ colour: 'red' }, ['/colour']);
  const headers = { 'if-match': '"7"' };
  const body = { firstName: 'x' };
  await assertRefused(app, ['PUT', `${path}/${id}`, { body, headers }], 412, 'precondition_failed');
  await assertRefused(app, ['DELETE', `${path}/${id}`, { headers }], 412, 'precondition_failed');
  await assertRefused(app, ['PATCH', `${path}/${id}/deactivate`, { headers }], 412, 'precondition_failed');
  assert.equal((await put(app, id, body, { 'if-match': '"1"' })).status, 200);
  await assertRefused(app, ['PUT', `${path}/${missing}`, { body }], 404, 'not_found');
});

test('a deactivated user loses access, and reactivation restores the former status', async (t) => {
  const { app, make } = await start(t);
  const { id } = await make.user('jane@example.com');
  const off = () => app.request('PATCH', `${path}/${id}/deactivate`);
  const on = () => app.request('POST', `${path}/${id}/reactivate`);
  const answered = async (request: ReturnType<typeof on>) => [(await request).status, (await request).json.status];
  assert.deepEqual(await answered(off()), [200, 'DEACTIVATED']);
  const revision = await revisionOf(app);
  assert.deepEqual(await answered(off()), [200, 'DEACTIVATED']);
  assert.equal(await revisionOf(app), revision, 'twice is once');
  assert.deepEqual(await answered(on()), [201, 'INVITED']);
  await app.store.db.updateTable('users').set({ status: 'ACTIVE', last_connection: 5 }).execute();
  await off();
  assert.deepEqual(await answered(on()), [201, 'ACTIVE']);
  assert.deepEqual(await lastChanges(app), ['reactivateUser: user']);
  const before = await revisionOf(app);
  assert.deepEqual(await answered(on()), [201, 'ACTIVE']);
  assert.equal(await revisionOf(app), before);
});

test('a deactivated user keeps the devices as they are', async (t) => {
  const { app, make } = await start(t);
  const { id } = await make.user('jane@example.com');
  const device = await make.device('laptop');
  await giveDevice(app, device.id, id);
  const { json } = await app.request('PATCH', `${path}/${id}/deactivate`);
  assert.deepEqual([json.devices[0].id, json.devices[0].active], [device.id, true]);
});

test('deleting a user removes the devices, their addresses, and the user’s place in groups and policies', async (t) => {
  const { app, make, main } = await start(t);
  const { id } = await make.user('jane@example.com');
  const stays = await make.user('john@example.com');
  const [own, others] = [await make.device('laptop'), await make.device('server')];
  await giveDevice(app, own.id, id);
  const policy = await make.policy('p', { devices: [own.id, others.id] });
  await nameInPolicy(app, policy.id, 'user', id);
  const { json: plan } = await app.request('DELETE', `${path}/${id}?dry-run=true`);
  const planned = plan.changes.map(({ action, kind, id }: Record<string, string>) => `${action} ${kind} ${id}`);
  for (const expected of [`delete user ${id}`, `delete device ${own.id}`, `update policy ${policy.id}`])
    assert.ok(planned.includes(expected), `${expected} in ${planned}`);
  assert.ok(planned.includes(`detach group ${main.id}`), planned);
  assert.equal((await readUser(app, id)).devices.length, 1, 'a dry run changes nothing');

  assert.equal((await app.request('DELETE', `${path}/${id}`)).status, 204);
  assert.equal((await app.request('GET', `${path}/${id}`)).status, 404);
  assert.equal((await app.request('GET', `/tenants/devices/${own.id}`)).status, 404);
  assert.equal((await app.request('GET', `/tenants/devices/${others.id}`)).status, 200);
  assert.deepEqual(await membersOfPolicy(app, policy.id), [others.id]);
  const leases = await app.store.db.selectFrom('overlay_leases').select(['owner_id', 'rests_until']).execute();
  assert.ok((leases.find(({ owner_id }) => owner_id === own.id)?.rests_until ?? 0) > app.clock.now, 'its lease rests');
  assert.equal(leases.find(({ owner_id }) => owner_id === others.id)?.rests_until, null);
  const { users } = (await app.request('GET', `/tenants/groups/${main.id}`)).json;
  assert.deepEqual(
    users.map((user: { id: string }) => user.id),
    [stays.id],
  );
  const kinds = new Set(await lastChanges(app));
  for (const kind of ['user', 'device', 'policy', 'group']) assert.ok(kinds.has(`deleteUser: ${kind}`), kind);
  await make.user('jane@example.com');
});

test('the owner of the tenant stays', async (t) => {
  const { app, make } = await start(t);
  const { id } = await make.user('owner@example.com');
  await makeOwner(app, id);
  assert.equal((await readUser(app, id)).roles[0].type, 'OWNER');
  await assertRefused(app, ['DELETE', `${path}/${id}`], 409, 'last_owner');
  await assertRefused(app, ['PATCH', `${path}/${id}/deactivate`], 409, 'last_owner');
});

test('dry runs say what they would do and do nothing', async (t) => {
  const { app, make, main } = await start(t);
  const { id } = await make.user('jane@example.com');
  const { id: staff } = await make.group('staff');
  const before = [await revisionOf(app), await readUser(app, id)];
  const plan = async (...[method, url, options]: Parameters<TestApp['request']>) => {
    const answer = await app.request(method, `${url}?dry-run=true`, options);
    assert.equal(answer.status, 200, answer.text);
    return answer.json.changes.map(({ action, kind }: Record<string, string>) => `${action} ${kind}`);
  };
  const two = ['a', 'b'].map((name) => ({ email: `${name}@example.com`, groups: [] }));
  assert.deepEqual(await plan('POST', path, { body: two }), ['create user', 'create user', 'attach group']);
  assert.deepEqual(await plan('PUT', `${path}/${id}`, { body: { firstName: 'J' } }), ['update user']);
  assert.deepEqual(await plan('PATCH', `${path}/${id}/deactivate`), ['disconnect user']);
  assert.deepEqual(await plan('POST', `${path}/${id}/groups`, { body: { groupId: staff } }), [
    'update user',
    'attach group',
  ]);
  await assertRefused(app, ['DELETE', `${path}/${id}/groups/${main.id}?dry-run=true`], 409, 'last_group');
  assert.deepEqual([await revisionOf(app), await readUser(app, id)], before);
});
