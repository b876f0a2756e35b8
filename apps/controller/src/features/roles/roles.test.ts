import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, lastChanges, makers } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';
import { makeOwner, readUser, roleOf } from '../../testing/people.ts';

const path = '/tenants/roles';
const missing = '11111111-2222-4333-8444-555555555555';
type Typed = { type: string; deleteable: boolean };
const emails = (users: readonly { email: string }[]) => users.map(({ email }) => email);

test('every tenant has the same built-in roles, highest first', async (t) => {
  const app = await openTestApp(t);
  const { json } = await app.request('GET', path);
  assert.deepEqual(
    json.map(({ type }: Typed) => type),
    ['OWNER', 'ADMIN', 'AUDITOR', 'SUPPORT', 'BILLING', 'BASIC'],
  );
  assert.ok(json.every(({ deleteable }: Typed) => !deleteable));
  for (const role of json) assert.deepEqual((await app.request('GET', `${path}/${role.id}`)).json, role);
  const foreign = await roleOf(app, 'ADMIN', app.other.key);
  assert.equal((await app.request('GET', `${path}/${foreign.id}`)).status, 404);
  assert.equal((await app.request('GET', `${path}/${foreign.id}/users`)).status, 404);
});

test('users of a role are those who have it themselves and, when asked, those of its groups', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [admin, owner] = [await roleOf(app, 'ADMIN'), await roleOf(app, 'OWNER')];
  const group = await make.group('admins', { roles: [admin.id] });
  const [direct, both] = [await make.user('direct@example.com'), await make.user('both@example.com', [group.id])];
  await make.user('group@example.com', [group.id]);
  const boss = await make.user('boss@example.com');
  await makeOwner(app, boss.id);
  const body = { addedRoles: [admin.id], removedRoles: [] };
  for (const { id } of [direct, both]) await app.request('PATCH', `/tenants/users/${id}/roles`, { body });
  const users = async (id: string, query = '') => (await app.request('GET', `${path}/${id}/users${query}`)).json;
  assert.deepEqual(emails(await users(admin.id)), ['direct@example.com', 'both@example.com']);
  assert.deepEqual(emails(await users(admin.id, '?groups=false')), ['direct@example.com', 'both@example.com']);
  const all = await users(admin.id, '?groups=true');
  assert.deepEqual(emails(all), ['direct@example.com', 'both@example.com', 'group@example.com']);
  for (const user of all) assert.deepEqual(user, await readUser(app, user.id), 'whole users');
  assert.deepEqual(emails(await users(owner.id, '?groups=true')), ['boss@example.com']);
  await assertRefused(app, ['GET', `${path}/${missing}/users`], 404, 'not_found');
});

test('a role is taken from a user who has it; one that a group gives stays', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [admin, basic] = [await roleOf(app, 'ADMIN'), await roleOf(app, 'BASIC')];
  const { id } = await make.user('jane@example.com');
  await app.request('PATCH', `/tenants/users/${id}/roles`, { body: { addedRoles: [admin.id], removedRoles: [] } });
  const take = (role: string, query = '') => ['DELETE', `${path}/${role}/users/${id}${query}`] as const;
  const { json } = await app.request(...take(admin.id, '?dry-run=true'));
  assert.deepEqual(
    json.changes.map(({ action, kind }: Record<string, string>) => `${action} ${kind}`),
    ['update user'],
  );
  assert.equal((await readUser(app, id)).roles.length, 2);
  assert.equal((await app.request(...take(admin.id))).status, 204);
  assert.deepEqual(await lastChanges(app), ['removeUserRole: user']);
  assert.deepEqual((await readUser(app, id)).roles, [basic]);
  await assertRefused(app, [...take(admin.id)], 404, 'not_found');
  await assertRefused(app, [...take(basic.id)], 404, 'not_found');
  await assertRefused(app, ['DELETE', `${path}/${admin.id}/users/${missing}`], 404, 'not_found');
  await assertRefused(app, ['DELETE', `${path}/${missing}/users/${id}`], 404, 'not_found');
});
