import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { assertRefused, lastChanges, makers, revisionOf } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { defaultGroup, makeOwner, readUser, roleOf } from '../../testing/people.ts';

const path = '/tenants/users';
const missing = '11111111-2222-4333-8444-555555555555';
type Typed = { type: string };
const types = (roles: readonly Typed[]) => roles.map(({ type }) => type);

async function start(t: TestContext) {
  const app = await openTestApp(t);
  const make = makers(app);
  return { app, make, main: await defaultGroup(app), user: await make.user('jane@example.com') };
}

const patchRoles = (app: TestApp, id: string, addedRoles: string[], removedRoles: string[] = [], key?: string) =>
  app.request('PATCH', `${path}/${id}/roles`, { body: { addedRoles, removedRoles }, ...(key && { key }) });

const rolesOf = async (app: TestApp, id: string, query = '') =>
  types((await app.request('GET', `${path}/${id}/roles${query}`)).json);

test('a user joins and leaves groups, but never the last one', async (t) => {
  const { app, make, main, user } = await start(t);
  const { id: staff } = await make.group('staff');
  const join = () => app.request('POST', `${path}/${user.id}/groups`, { body: { groupId: staff.toUpperCase() } });
  const joined = await join();
  assert.deepEqual([joined.status, joined.text], [201, '']);
  assert.deepEqual(await lastChanges(app), ['addUserGroup: user', 'addUserGroup: group']);
  const revision = await revisionOf(app);
  assert.equal((await join()).status, 201);
  assert.equal(await revisionOf(app), revision, 'twice is once');
  assert.deepEqual(
    (await readUser(app, user.id)).groups.map(({ id }: { id: string }) => id),
    [main.id, staff],
  );
  const leave = (group: string) => ['DELETE', `${path}/${user.id}/groups/${group}`] as const;
  assert.equal((await app.request(...leave(main.id))).status, 204);
  assert.deepEqual(await lastChanges(app), ['removeUserGroup: user', 'removeUserGroup: group']);
  await assertRefused(app, [...leave(staff)], 409, 'last_group');
  await assertRefused(app, [...leave(main.id)], 404, 'not_found');
  await assertRefused(app, [...leave(missing)], 404, 'not_found');
});

test('joining an unknown group or a group of another tenant is refused', async (t) => {
  const { app, user } = await start(t);
  const foreign = await defaultGroup(app, app.other.key);
  for (const groupId of [missing, foreign.id]) {
    const body = { groupId };
    const request = ['POST', `${path}/${user.id}/groups`, { body }] as const;
    await assertRefused(app, [...request], 400, 'invalid_reference', ['/groupId']);
  }
});

test('roles are set on users and inherited from groups; the highest comes first', async (t) => {
  const { app, make, user } = await start(t);
  const [admin, support] = [await roleOf(app, 'ADMIN'), await roleOf(app, 'SUPPORT')];
  const { id: staff } = await make.group('staff', { roles: [admin.id] });
  const patched = await patchRoles(app, user.id, [support.id.toUpperCase()]);
  assert.deepEqual([patched.status, patched.text], [200, '']);
  await app.request('POST', `${path}/${user.id}/groups`, { body: { groupId: staff } });
  const all = ['ADMIN', 'SUPPORT', 'BASIC'];
  assert.deepEqual(types((await readUser(app, user.id)).roles), all);
  assert.deepEqual(await rolesOf(app, user.id), all);
  assert.deepEqual(await rolesOf(app, user.id, '?rolesOnly=true'), ['SUPPORT']);
  assert.deepEqual(await rolesOf(app, user.id, '?groupsOnly=true'), ['ADMIN', 'BASIC']);
  assert.deepEqual(await rolesOf(app, user.id, '?groupsOnly=true&rolesOnly=true'), all);
  assert.deepEqual(await rolesOf(app, user.id, '?groupsOnly=false&rolesOnly=false'), all);
});

test('roles are added and removed in one step; roles already in that state stay so', async (t) => {
  const { app, user } = await start(t);
  const [admin, support] = [(await roleOf(app, 'ADMIN')).id, (await roleOf(app, 'SUPPORT')).id];
  await patchRoles(app, user.id, [support]);
  await patchRoles(app, user.id, [admin], [support]);
  assert.deepEqual(await rolesOf(app, user.id, '?rolesOnly=true'), ['ADMIN']);
  assert.deepEqual(await lastChanges(app), ['updateUserRoles: user']);
  const revision = await revisionOf(app);
  assert.equal((await patchRoles(app, user.id, [admin, admin], [support])).status, 200);
  assert.equal(await revisionOf(app), revision);
});

test('OWNER cannot be assigned, and unknown roles are refused by their place', async (t) => {
  const { app, user } = await start(t);
  const [owner, admin] = [(await roleOf(app, 'OWNER')).id, (await roleOf(app, 'ADMIN')).id];
  const foreign = (await roleOf(app, 'ADMIN', app.other.key)).id;
  const refused = async (
    added: string[],
    removed: string[],
    code: 'invalid_request' | 'invalid_reference',
    at: string,
  ) => {
    const body = { addedRoles: added, removedRoles: removed };
    await assertRefused(app, ['PATCH', `${path}/${user.id}/roles`, { body }], 400, code, [at]);
  };
  await refused([admin, owner], [], 'invalid_request', '/addedRoles/1');
  await refused([admin, missing], [], 'invalid_reference', '/addedRoles/1');
  await refused([foreign], [], 'invalid_reference', '/addedRoles/0');
  await refused([], [missing], 'invalid_reference', '/removedRoles/0');
  await refused([admin], [admin], 'invalid_request', '/removedRoles/0');
  assert.deepEqual(await rolesOf(app, user.id), ['BASIC']);
});

test('the owner’s role stays, and only who owns keys changes the owner’s other roles', async (t) => {
  const { app, user } = await start(t);
  await makeOwner(app, user.id);
  const [owner, support] = [(await roleOf(app, 'OWNER')).id, (await roleOf(app, 'SUPPORT')).id];
  assert.deepEqual(await rolesOf(app, user.id), ['OWNER', 'BASIC']);
  assert.deepEqual(await rolesOf(app, user.id, '?rolesOnly=true'), ['OWNER']);
  assert.deepEqual(await rolesOf(app, user.id, '?groupsOnly=true'), ['BASIC']);
  const body = { addedRoles: [], removedRoles: [owner] };
  await assertRefused(app, ['PATCH', `${path}/${user.id}/roles`, { body }], 409, 'last_owner');
  await assertRefused(app, ['DELETE', `/tenants/roles/${owner}/users/${user.id}`], 409, 'last_owner');
  const admin = await app.key('ADMIN');
  assert.equal((await patchRoles(app, user.id, [support], [], admin)).json.code, 'forbidden');
  assert.equal((await patchRoles(app, user.id, [support])).status, 200);
  const taken = await app.request('DELETE', `/tenants/roles/${support}/users/${user.id}`, { key: admin });
  assert.equal(taken.json.code, 'forbidden');
  assert.deepEqual(await rolesOf(app, user.id), ['OWNER', 'SUPPORT', 'BASIC']);
});
