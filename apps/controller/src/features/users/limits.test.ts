import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scoped } from '../../db/scoped.ts';
import { ApiError } from '../../errors.ts';
import { acceptInvitation, deviceLimit, deviceUsers, invitationMs, nestedUsers } from '../../objects/users/queries.ts';
import { makers, revisionOf } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { defaultGroup, giveDevice, readUser } from '../../testing/people.ts';

const by = {
  actor: { kind: 'system', id: null, name: 'test' },
  action: 'test',
  sourceIp: null,
  requestId: null,
} as const;

const accept = (app: TestApp, id: string) =>
  app.store.write({ tenant: app.tenant.id, ...by }, (tx) => acceptInvitation(tx, id));

const limit = (app: TestApp, id: string) => deviceLimit(scoped(app.store.db, app.tenant.id), id);

test('a user may have as many devices as the most generous group says, unless the user has a limit', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const main = await defaultGroup(app);
  const [few, many] = [await make.group('few', { maxDevices: 0 }), await make.group('many', { maxDevices: 12 })];
  const user = await make.user('jane@example.com', [main.id, few.id]);
  assert.deepEqual(await limit(app, user.id), { limit: 5, present: 0 });
  await giveDevice(app, (await make.device('laptop')).id, user.id);
  await app.request('POST', `/tenants/users/${user.id}/groups`, { body: { groupId: many.id } });
  assert.deepEqual(await limit(app, user.id), { limit: 12, present: 1 });
  await app.request('PUT', `/tenants/users/${user.id}`, { body: { maxDevices: 0 } });
  assert.deepEqual(await limit(app, user.id), { limit: 0, present: 1 });
  const only = await make.user('john@example.com', [few.id]);
  assert.deepEqual(await limit(app, only.id), { limit: 0, present: 0 });
  assert.equal(await deviceLimit(scoped(app.store.db, app.other.id), user.id), undefined);
});

test('policies and devices show a user with the right fields', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const { id, createdAt } = await make.user('jane@example.com');
  await app.request('PUT', `/tenants/users/${id}`, { body: { firstName: 'Jane' } });
  const db = scoped(app.store.db, app.tenant.id);
  const common = { id, email: 'jane@example.com', firstName: 'Jane' };
  const nested = { ...common, createdAt, updatedAt: createdAt, status: 'INVITED', isOwner: false, maxDevices: 5 };
  assert.deepEqual(await nestedUsers(db, [id, id, app.tenant.id], app.store.now()), new Map([[id, nested]]));
  assert.deepEqual(await deviceUsers(db, [id]), new Map([[id, { ...common, lastConnection: createdAt }]]));
  const other = scoped(app.store.db, app.other.id);
  assert.deepEqual(
    [(await nestedUsers(other, [id], app.store.now())).size, (await deviceUsers(other, [id])).size],
    [0, 0],
  );
});

test('an open invitation is taken up once; one that has ended is not', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const { id } = await make.user('jane@example.com');
  const late = await make.user('john@example.com');
  app.clock.now += invitationMs - 1;
  await accept(app, id);
  const { status, lastConnection } = await readUser(app, id);
  assert.deepEqual([status, lastConnection], ['ACTIVE', new Date(app.clock.now).toISOString()]);
  const revision = await revisionOf(app);
  await accept(app, id);
  assert.equal(await revisionOf(app), revision, 'an active user stays as it is');
  app.clock.now += 1;
  await assert.rejects(accept(app, late.id), (error) => error instanceof ApiError && error.code === 'not_invited');
  await app.request('PATCH', `/tenants/users/${id}/deactivate`);
  await accept(app, id);
  assert.equal((await readUser(app, id)).status, 'DEACTIVATED', 'a device brings nobody back');
});
