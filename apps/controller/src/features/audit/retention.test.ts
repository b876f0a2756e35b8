import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makers, revisionOf } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const verify = async (app: TestApp, key = app.tenant.key) =>
  (await app.request('GET', '/tenants/audit-events/verify', { key })).json;
const exported = async (app: TestApp, key = app.tenant.key) =>
  (await app.request('GET', '/tenants/audit-events/export', { key })).json;
const keep = (app: TestApp, auditRetentionDays: number | null) =>
  app.request('PATCH', '/tenants/settings', { body: { name: 'First', auditRetentionDays } });
const days = (count: number) => count * 86_400_000;

test('old events are dropped, the rest still verifies, and the chain continues', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  await make.gateway('old');
  const foreign = await exported(app, app.other.key);
  app.clock.now += days(10);
  await make.gateway('newer');
  await keep(app, 7);
  const before = await exported(app);
  await app.app.maintain();
  const kept = await exported(app);
  assert.deepEqual(kept, before.slice(-2));
  assert.deepEqual(await verify(app), { intact: true, checked: 2, head: kept[1].hash });
  assert.equal((await app.request('GET', '/tenants/audit-events')).json.total, 2);
  await make.gateway('newest');
  assert.equal((await exported(app)).at(-1).previousHash, kept[1].hash);
  assert.deepEqual([(await verify(app)).intact, (await verify(app)).checked], [true, 3]);
  assert.deepEqual(await exported(app, app.other.key), foreign);
});

test('when everything is too old, the next event still hangs on the last that was dropped', async (t) => {
  const app = await openTestApp(t);
  await keep(app, 1);
  const head = (await exported(app)).at(-1).hash;
  const revision = await revisionOf(app);
  app.clock.now += days(2);
  await app.app.maintain();
  assert.deepEqual(await exported(app), []);
  assert.deepEqual(await verify(app), { intact: true, checked: 0, head });
  assert.equal(await revisionOf(app), revision, 'dropping takes no revision');
  await makers(app).gateway('again');
  const [only] = await exported(app);
  assert.equal(only.previousHash, head);
  assert.equal((await verify(app)).intact, true);
});

test('a removed beginning, or an anchor that was moved, is found', async (t) => {
  const app = await openTestApp(t);
  await makers(app).gateway('old');
  app.clock.now += days(10);
  await keep(app, 7);
  await makers(app).gateway('newer');
  await app.app.maintain();
  assert.equal((await verify(app)).intact, true);
  const { db } = app.store;
  const [first] = await db
    .selectFrom('audit_events')
    .selectAll()
    .where('tenant_id', '=', app.tenant.id)
    .orderBy('revision')
    .execute();
  const own = (revision: number) =>
    db.deleteFrom('audit_events').where('tenant_id', '=', app.tenant.id).where('revision', '=', revision);
  await own(first?.revision ?? 0).execute();
  assert.equal((await verify(app)).intact, false);
  await db
    .updateTable('audit_anchors')
    .set({ revision: first?.revision ?? 0 })
    .where('tenant_id', '=', app.tenant.id)
    .execute();
  assert.equal((await verify(app)).intact, false);
});

test('many events and a revision of many are dropped in slices, whole revisions only', async (t) => {
  const app = await openTestApp(t);
  const context = {
    tenant: app.tenant.id,
    actor: { kind: 'system', id: null, name: 'test' },
    action: 'test',
    sourceIp: null,
    requestId: null,
  } as const;
  const write = (count: number) =>
    app.store.write(context, async (tx) => {
      for (let n = 0; n < count; n++) tx.changed({ kind: 'gateway', id: `g${n}`, op: 'update', after: { n } });
    });
  for (let n = 0; n < 700; n++) await write(1);
  await write(1300);
  await write(3);
  app.clock.now += days(3);
  await write(2);
  await keep(app, 2);
  await app.app.maintain();
  assert.equal((await exported(app)).length, 3);
  assert.equal((await verify(app)).intact, true);
  const feed = await app.store.db.selectFrom('change_log').selectAll().where('tenant_id', '=', app.tenant.id).execute();
  assert.equal(feed.length, 3);
});

test('without a limit everything is kept', async (t) => {
  const app = await openTestApp(t);
  await keep(app, 1);
  await keep(app, null);
  const before = await exported(app);
  app.clock.now += days(10_000);
  await app.app.maintain();
  assert.deepEqual(await exported(app), before);
});
