import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makers } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { openCountingStore } from '../../testing/statements.ts';

const path = '/tenants/devices?limit=100&sort=name';

const listed = async (app: TestApp, query = path) => (await app.request('GET', query)).json;

test('a page that nothing changed is answered without a query of its devices', async (t) => {
  const { store, statements } = await openCountingStore(t);
  const app = await openTestApp(t, { store });
  const make = makers(app);
  for (const name of ['a', 'b', 'c']) await make.device(name);
  const first = await listed(app);
  const before = statements();
  assert.deepEqual(await listed(app), first);
  assert.equal(statements(), before);
});

test('a kept page shows every write at once, also those without a revision', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const { id: user } = await make.user('jane@example.com');
  const device = await make.device('a', { user });
  const shown = async () => (await listed(app)).data[0];
  assert.equal((await shown()).lastConnection, undefined);

  const seen = new Date(app.clock.now - 60_000).toISOString();
  await app.parts.directory.deviceSeen(app.tenant.id, new Map([[device.id, Date.parse(seen)]]));
  assert.equal((await shown()).lastConnection, seen);
  await app.parts.directory.deviceMoved(app.tenant.id, new Map([[device.id, '192.0.2.7']]));
  assert.equal((await shown()).sourceIp, '192.0.2.7');

  await app.request('PUT', `/tenants/users/${user}`, { body: { firstName: 'Jane' } });
  assert.equal((await shown()).user.firstName, 'Jane');
  await app.request('PATCH', `/tenants/devices/${device.id}`, { body: { name: 'b', labels: ['eu'] } });
  assert.deepEqual([(await shown()).name, (await shown()).labels], ['b', ['eu']]);
  await app.request('PATCH', `/tenants/devices/${device.id}/deactivate`);
  assert.equal((await shown()).status, 'Deactivated');
  await make.device('c');
  assert.equal((await listed(app)).total, 2);
  await app.request('DELETE', `/tenants/devices/${device.id}`);
  assert.equal((await listed(app)).total, 1);
});

test('a dry run leaves no trace in a kept page, and tenants have pages of their own', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).device('a');
  const before = await listed(app);
  await app.request('DELETE', `/tenants/devices/${id}?dry-run=true`);
  assert.deepEqual(await listed(app), before);
  const other = await app.request('GET', path, { key: app.other.key });
  assert.equal(other.json.total, 0);
});
