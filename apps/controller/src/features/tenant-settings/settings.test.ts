import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, lastChanges, makers, revisionOf } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';

const path = '/tenants/settings';

test('settings of a new tenant', async (t) => {
  const app = await openTestApp(t);
  const { json, headers } = await app.request('GET', path);
  assert.deepEqual(json, {
    id: app.tenant.id,
    createdAt: new Date(app.clock.now).toISOString(),
    name: 'First',
    timeZone: 'UTC',
    leaseSeconds: 86_400,
    drainSeconds: 300,
    localNetwork: 'RESOLVERS',
    otherNames: 'FORWARD',
    mtu: 1280,
    auditRetentionDays: 400,
    revision: await revisionOf(app),
    countries: false,
  });
  assert.equal(headers.etag, '"1"');
});

test('given settings change, absent ones stay, and null removes a limit', async (t) => {
  const app = await openTestApp(t);
  const patch = async (body: object) => (await app.request('PATCH', path, { body })).json;
  const first = await patch({ name: 'Acme', timeZone: 'Europe/Zurich', leaseSeconds: 3600, auditRetentionDays: 30 });
  assert.deepEqual(first, (await app.request('GET', path)).json);
  assert.deepEqual(
    [first.name, first.timeZone, first.leaseSeconds, first.auditRetentionDays],
    ['Acme', 'Europe/Zurich', 3600, 30],
  );
  const second = await patch({ name: 'Acme', auditRetentionDays: null });
  assert.deepEqual(second, { ...first, auditRetentionDays: null, revision: first.revision + 1 });
  assert.equal(second.revision, await revisionOf(app));
  assert.deepEqual(await lastChanges(app), ['updateTenant: tenant']);
  const [event] = (await app.request('GET', '/tenants/audit-events?limit=1')).json.data;
  assert.deepEqual([event.before.auditRetentionDays, event.after.auditRetentionDays], [30, null]);
  assert.equal((await patch({ name: 'Acme', otherNames: 'REFUSE' })).otherNames, 'REFUSE');
  assert.equal((await patch({ name: 'Acme', mtu: 1300 })).otherNames, 'REFUSE');
  assert.equal((await patch({ name: 'Acme', localNetwork: 'CLOSED' })).localNetwork, 'CLOSED');
  assert.equal((await patch({ name: 'Acme', leaseSeconds: 7200 })).localNetwork, 'CLOSED');
});

test('writing back what was read changes nothing; a stale version is refused; a dry run only tells', async (t) => {
  const app = await openTestApp(t);
  const { json } = await app.request('GET', path);
  const same = await app.request('PATCH', path, { body: json });
  assert.deepEqual([same.status, same.json, same.headers.etag], [200, json, '"1"']);
  const plan = await app.request('PATCH', `${path}?dry-run=true`, { body: { name: 'New' } });
  assert.deepEqual(plan.json.changes, [{ action: 'update', kind: 'tenant', id: app.tenant.id, name: 'New' }]);
  assert.deepEqual((await app.request('GET', path)).json, json);
  await app.request('PATCH', path, { body: { name: 'New' }, headers: { 'if-match': '"1"' } });
  const body = { name: 'Newer' };
  await assertRefused(app, ['PATCH', path, { body, headers: { 'if-match': '"1"' } }], 412, 'precondition_failed');
});

test('invalid settings are refused by their field', async (t) => {
  const app = await openTestApp(t);
  for (const [field, value] of [
    ['timeZone', 'Mars/Olympus'],
    ['leaseSeconds', 299],
    ['localNetwork', 'open'],
    ['otherNames', 'NAMES'],
    ['leaseSeconds', null],
    ['mtu', 575],
    ['mtu', 9001],
    ['mtu', null],
    ['auditRetentionDays', 0],
    ['name', ''],
    ['overlay', 'x'],
  ] as const)
    await assertRefused(app, ['PATCH', path, { body: { name: 'x', [field]: value } }], 400, 'invalid_request', [
      `/${field}`,
    ]);
});

test('only the owner changes them, and only those of the own tenant', async (t) => {
  const app = await openTestApp(t);
  const admin = await app.key('ADMIN');
  assert.equal((await app.request('GET', path, { key: admin })).status, 200);
  await assertRefused(app, ['PATCH', path, { key: admin, body: { name: 'x' } }], 403, 'forbidden');
  await app.request('PATCH', path, { key: app.other.key, body: { name: 'Theirs' } });
  assert.equal((await app.request('GET', path)).json.name, 'First');
});

test('zone and lease count at once', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const gateway = await make.gateway('Berlin');
  const https = await make.protocol('443');
  const web = await make.resource('web', [{ address: '10.0.0.1', protocols: [https.id] }]);
  await make.attach(web.id, [gateway.id]);
  const device = await make.device('laptop');
  const rule = await make.rule('by day', "time.between('08:00', '18:00')", { hasTimeConstraint: true });
  await make.policy('web', { devices: [device.id], resources: [web.id], rule: rule.id });
  const body = { device: device.id, destination: '10.0.0.1', protocol: 'TCP', port: 443 };
  const allowed = async () => (await app.request('POST', '/tenants/access/explain', { body })).json.answers[0].allowed;
  app.clock.now = Date.UTC(2026, 0, 15, 12);
  assert.equal(await allowed(), true);
  const patch = (settings: object) => app.request('PATCH', path, { body: { name: 'First', ...settings } });
  await patch({ timeZone: 'Asia/Tokyo' });
  assert.equal(await allowed(), false, 'it is nine in the evening there');
  assert.equal(app.parts.leaseMs(app.tenant.id), 86_400_000);
  await patch({ timeZone: 'UTC', leaseSeconds: 600 });
  assert.equal(await allowed(), true);
  assert.equal(app.parts.leaseMs(app.tenant.id), 600_000);
});
