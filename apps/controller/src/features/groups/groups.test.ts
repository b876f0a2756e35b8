import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { assertRefused, lastChanges, makers, revisionOf } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { defaultGroup, membersOfPolicy, nameInPolicy, readUser, roleOf } from '../../testing/people.ts';

const path = '/tenants/groups';
const missing = '11111111-2222-4333-8444-555555555555';
type Named = { id: string; name: string };

async function start(t: TestContext) {
  const app = await openTestApp(t);
  return { app, make: makers(app), main: await defaultGroup(app) };
}

const read = async (app: TestApp, id: string) => (await app.request('GET', `${path}/${id}`)).json;
const put = (app: TestApp, id: string, body: object) => app.request('PUT', `${path}/${id}`, { body });
const groupsOf = async (app: TestApp, user: string) =>
  (await readUser(app, user)).groups.map(({ name }: Named) => name);

test('every tenant has a default group with the role of plain users', async (t) => {
  const { app, main } = await start(t);
  const { id, createdAt, updatedAt, roles, ...rest } = main;
  assert.deepEqual(rest, {
    name: 'Default Group',
    description: 'Everybody who is in no other group',
    deleteable: false,
    users: [],
    maxDevices: 5,
    isSamlDefaultGroup: true,
    idpMapping: [],
  });
  assert.deepEqual(
    roles.map(({ type }) => type),
    ['BASIC'],
  );
  assert.notEqual((await defaultGroup(app, app.other.key)).id, id);
});

test('a group is made with defaults, changed, and read back the same', async (t) => {
  const { app, make } = await start(t);
  const [admin, support] = [await roleOf(app, 'ADMIN'), await roleOf(app, 'SUPPORT')];
  const plain = await make.group('Staff');
  assert.deepEqual(
    [plain.maxDevices, plain.isSamlDefaultGroup, plain.idpMapping, plain.deleteable, plain.users, plain.roles],
    [5, false, [], true, [], []],
  );
  const made = await make.group('Engineering', {
    description: 'd',
    roles: [support.id, admin.id],
    maxDevices: 2,
    idpMapping: ['eng', 'dev', 'eng'],
  });
  assert.deepEqual(made.roles, [admin, support], 'highest first');
  assert.deepEqual([made.maxDevices, made.idpMapping], [2, ['eng', 'dev']]);
  assert.deepEqual(await read(app, made.id), made);
  app.clock.now += 1;
  const changed = await put(app, made.id, { name: 'Dev', roles: [support], description: null });
  const { description, ...rest } = made;
  const updatedAt = new Date(app.clock.now).toISOString();
  assert.deepEqual(changed.json, { ...rest, name: 'Dev', roles: [support], updatedAt });
  assert.deepEqual(await lastChanges(app), ['updateGroup: group']);
  const back = await put(app, made.id, changed.json);
  assert.deepEqual([back.status, back.headers.etag], [200, changed.headers.etag], 'an answer can be written back');
});

test('bad roles and old versions change nothing', async (t) => {
  const { app, make } = await start(t);
  const { id } = await make.group('Staff');
  const owner = (await roleOf(app, 'OWNER')).id;
  const foreign = (await roleOf(app, 'ADMIN', app.other.key)).id;
  for (const [roles, code] of [
    [[owner], 'invalid_request'],
    [[missing], 'invalid_reference'],
    [[foreign], 'invalid_reference'],
  ] as const) {
    const body = { name: 'x', roles };
    await assertRefused(app, ['POST', path, { body }], 400, code, ['/roles/0']);
    await assertRefused(app, ['PUT', `${path}/${id}`, { body }], 400, code, ['/roles/0']);
  }
  const body = { name: 'x', roles: [] };
  const headers = { 'if-match': '"9"' };
  await assertRefused(app, ['PUT', `${path}/${id}`, { body, headers }], 412, 'precondition_failed');
  await assertRefused(app, ['DELETE', `${path}/${id}`, { headers }], 412, 'precondition_failed');
  await assertRefused(app, ['PUT', `${path}/${missing}`, { body }], 404, 'not_found');
  await assertRefused(app, ['POST', path, { body: { name: 'x' } }], 400, 'invalid_request', ['/roles']);
});

test('the default group keeps its name and role and cannot be deleted; its limit can change', async (t) => {
  const { app, main } = await start(t);
  const body = { name: main.name, roles: main.roles, maxDevices: 9, description: 'x' };
  assert.equal((await put(app, main.id, body)).json.maxDevices, 9);
  const admin = (await roleOf(app, 'ADMIN')).id;
  for (const wrong of [{ name: 'Everybody' }, { roles: [] }, { roles: [...main.roles, admin] }, { roles: [admin] }])
    await assertRefused(app, ['PUT', `${path}/${main.id}`, { body: { ...body, ...wrong } }], 409, 'built_in');
  await assertRefused(app, ['DELETE', `${path}/${main.id}`], 409, 'built_in');
  await assertRefused(app, ['DELETE', `${path}/${main.id}?dry-run=true`], 409, 'built_in');
});

test('deleting a group removes its memberships and its place in policies, and leaves no user without a group', async (t) => {
  const { app, make, main } = await start(t);
  const [a, b] = [await make.group('a'), await make.group('b')];
  const [one, both, none] = [
    await make.user('one@example.com', [a.id]),
    await make.user('both@example.com', [a.id, b.id]),
    await make.user('none@example.com', [b.id]),
  ];
  const policy = await make.policy('p');
  await nameInPolicy(app, policy.id, 'group', a.id);
  await nameInPolicy(app, policy.id, 'group', b.id);
  const untouched = await readUser(app, none.id);
  const { json: plan } = await app.request('DELETE', `${path}/${a.id}?dry-run=true`);
  const planned = plan.changes.map(({ action, id }: Record<string, string>) => `${action} ${id}`).sort();
  const expected = [
    `delete ${a.id}`,
    `update ${one.id}`,
    `update ${both.id}`,
    `attach ${main.id}`,
    `update ${policy.id}`,
  ];
  assert.deepEqual(
    expected.filter((line) => !planned.includes(line)),
    [],
  );
  assert.deepEqual(await groupsOf(app, one.id), ['a'], 'a dry run changes nothing');

  assert.equal((await app.request('DELETE', `${path}/${a.id}`)).status, 204);
  assert.equal((await app.request('GET', `${path}/${a.id}`)).status, 404);
  assert.deepEqual(await groupsOf(app, one.id), ['Default Group']);
  assert.deepEqual(await groupsOf(app, both.id), ['b']);
  assert.deepEqual(await readUser(app, none.id), untouched);
  assert.deepEqual(await membersOfPolicy(app, policy.id), [b.id]);
  const changes = await lastChanges(app);
  assert.equal(changes.filter((change) => change === 'deleteGroup: user').length, 2);
  assert.ok(changes.includes('deleteGroup: policy'));
});

test('a group with many members is deleted in one step', async (t) => {
  const { app, make, main } = await start(t);
  const { id } = await make.group('many');
  for (let n = 0; n < 12; n++) {
    const body = Array.from({ length: 100 }, (_, i) => ({ email: `u${n}-${i}@example.com`, groups: [id] }));
    await app.request('POST', '/tenants/users', { body });
  }
  const revision = await revisionOf(app);
  assert.equal((await app.request('DELETE', `${path}/${id}`)).status, 204);
  assert.equal(await revisionOf(app), revision + 1);
  assert.equal((await read(app, main.id)).users.length, 1200);
});

test('members are listed in the order in which they joined, with the moment', async (t) => {
  const { app, make } = await start(t);
  const [a, b] = [await make.user('a@example.com'), await make.user('b@example.com')];
  await app.request('PUT', `/tenants/users/${a.id}`, { body: { firstName: 'A', lastName: 'a' } });
  const { id } = await make.group('Staff');
  const join = (user: string) => app.request('POST', `/tenants/users/${user}/groups`, { body: { groupId: id } });
  app.clock.now += 1000;
  await join(b.id);
  app.clock.now += 1000;
  await join(a.id);
  const now = new Date(app.clock.now).toISOString();
  const { users } = await read(app, id);
  assert.deepEqual(
    users.map((user: Named) => user.id),
    [b.id, a.id],
  );
  const name = { firstName: 'A', lastName: 'a' };
  assert.deepEqual(users[1], { id: a.id, email: 'a@example.com', ...name, createdAt: now, updatedAt: now });
});

test('exactly one group takes in users of the identity provider', async (t) => {
  const { app, make, main } = await start(t);
  const holder = async () => {
    const { data } = (await app.request('GET', `${path}?limit=100`)).json;
    return data.filter((group: { isSamlDefaultGroup: boolean }) => group.isSamlDefaultGroup).map(({ id }: Named) => id);
  };
  const a = await make.group('a', { isSamlDefaultGroup: true });
  assert.equal(a.isSamlDefaultGroup, true);
  assert.deepEqual(await holder(), [a.id]);
  assert.deepEqual(await lastChanges(app), ['createGroup: group', 'createGroup: group']);
  const b = await make.group('b', { isSamlDefaultGroup: false });
  await put(app, b.id, { name: 'b', roles: [], isSamlDefaultGroup: true });
  assert.deepEqual(await holder(), [b.id]);
  await put(app, b.id, { name: 'b', roles: [], isSamlDefaultGroup: false });
  assert.deepEqual(await holder(), [main.id]);
  const body = { ...main, isSamlDefaultGroup: false };
  await assertRefused(app, ['PUT', `${path}/${main.id}`, { body }], 400, 'invalid_request', ['/isSamlDefaultGroup']);
  await put(app, a.id, { name: 'a', roles: [], isSamlDefaultGroup: true });
  await app.request('DELETE', `${path}/${a.id}`);
  assert.deepEqual(await holder(), [main.id]);
});

test('order and pages are those of a plain list', async (t) => {
  const { app, make } = await start(t);
  for (const name of ['b', 'a', 'C', 'a', 'ä']) {
    app.clock.now += 1;
    await make.group(name);
  }
  const key = app.other.key;
  await app.request('POST', path, { body: { name: 'foreign', roles: [] }, key });
  const all = (await app.request('GET', `${path}?limit=100`)).json.data;
  assert.equal(all.length, 6);
  for (const group of all) assert.deepEqual(await read(app, group.id), group);
  const fields = ['id', 'name', 'createdAt', 'updatedAt'];
  const sort = fc.subarray([...fields, ...fields.map((field) => `${field}:desc`)], { maxLength: 2 });
  const search = fc.record({ sort, limit: fc.integer({ min: 1, max: 7 }), offset: fc.integer({ min: 0, max: 7 }) });
  const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  await fc.assert(
    fc.asyncProperty(search, async ({ sort, limit, offset }) => {
      const { json } = await app.request(
        'GET',
        `${path}?sort=${sort}&limit=${limit}&offset=${offset}`.replace('sort=&', ''),
      );
      const expected = all.toSorted((a: Record<string, string>, b: Record<string, string>) => {
        for (const text of sort) {
          const [field = '', descending] = text.split(':');
          const order = byBytes(a[field] ?? '', b[field] ?? '');
          if (order !== 0) return descending === undefined ? order : -order;
        }
        return byBytes(a.createdAt ?? '', b.createdAt ?? '');
      });
      assert.deepEqual(json.data, expected.slice(offset, offset + limit));
      assert.equal(json.total, 6);
    }),
    { numRuns: 50 },
  );
  await assertRefused(app, ['GET', `${path}?sort=users`], 400, 'invalid_request', ['query/sort']);
});
