import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, lastChanges, makers, revisionOf } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';

const path = '/tenants/protocols';
const missing = '11111111-2222-4333-8444-555555555555';

test('a protocol without a name is named after its ports', async (t) => {
  const app = await openTestApp(t);
  const nameOf = async (networkProtocols: object[]) =>
    (await app.request('POST', path, { body: { networkProtocols } })).json.name;
  assert.equal(
    await nameOf([{ protocol: 'TCP', port: '8080' }, { protocol: 'UDP', port: '5000-5100' }, { protocol: 'ICMP' }]),
    'TCP 8080, UDP 5000-5100, ICMP',
  );
  const many = await nameOf(Array.from({ length: 100 }, (_, i) => ({ protocol: 'TCP', port: String(10_000 + i) })));
  assert.match(many, /^TCP 10000, .* and \d+ more$/);
  assert.ok(many.length <= 120);
});

test('a protocol is read back as it was created, after the built-in ones', async (t) => {
  const app = await openTestApp(t);
  const body = { name: 'Web', networkProtocols: [{ protocol: 'TCP', port: '8080' }] };
  const { status, json } = await app.request('POST', path, { body });
  assert.equal(status, 201);
  assert.deepEqual(json, { id: json.id, type: 'CUSTOM', ...body });
  assert.deepEqual((await app.request('GET', `${path}/${json.id}`)).json, json);
  const list = (await app.request('GET', path)).json;
  assert.deepEqual(
    [list[0].type, ...new Set(list.map((protocol: { type: string }) => protocol.type))],
    ['ALL', 'ALL', 'PREDEFINED', 'CUSTOM'],
  );
  assert.deepEqual(list.at(-1), json);
});

test('deleting a protocol takes it out of every address that uses it, and a dry run says so first', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [web, ssh] = [await make.protocol('80'), await make.protocol('22')];
  const addresses = [{ address: '10.0.0.1', protocols: [web.id, ssh.id] }];
  const resource = await make.resource('server', addresses);
  const other = await make.resource('other', [{ address: '10.0.0.2', protocols: [ssh.id] }]);
  const before = await revisionOf(app);
  const plan = await app.request('DELETE', `${path}/${web.id}?dry-run=true`);
  assert.equal(plan.status, 200, plan.text);
  assert.deepEqual(plan.json.changes, [
    { action: 'delete', kind: 'protocol', id: web.id, name: 'TCP 80' },
    { action: 'update', kind: 'resource', id: resource.id, name: 'server' },
  ]);
  assert.equal(await revisionOf(app), before);
  app.clock.now += 1000;
  assert.equal((await app.request('DELETE', `${path}/${web.id}`)).status, 204);
  const after = (await app.request('GET', `/tenants/resources/${resource.id}`)).json;
  assert.deepEqual(after.addresses[0].protocols, [ssh]);
  assert.notEqual(after.updatedAt, resource.updatedAt);
  assert.deepEqual((await app.request('GET', `/tenants/resources/${other.id}`)).json, other);
  assert.deepEqual(await lastChanges(app), ['deleteProtocol: protocol', 'deleteProtocol: resource']);
  await assertRefused(app, ['GET', `${path}/${web.id}`], 404, 'not_found');
});

test('built-in protocols stay, and unknown ones and those of others are not found', async (t) => {
  const app = await openTestApp(t);
  for (const { id } of (await app.request('GET', path)).json)
    await assertRefused(app, ['DELETE', `${path}/${id}`], 409, 'built_in');
  const { id } = await makers(app).protocol('80');
  for (const method of ['GET', 'DELETE'] as const) {
    await assertRefused(app, [method, `${path}/${missing}`], 404, 'not_found');
    await assertRefused(app, [method, `${path}/${id}`, { key: app.other.key }], 404, 'not_found');
  }
});

test('a protocol that makes no sense is refused with its place', async (t) => {
  const app = await openTestApp(t);
  const refused = (body: unknown, pointer: string) =>
    assertRefused(app, ['POST', path, { body }], 400, 'invalid_request', [pointer]);
  await refused({ networkProtocols: [] }, '/networkProtocols');
  await refused({ name: 'x' }, '/networkProtocols');
  await refused({ networkProtocols: [{ protocol: 'TCP' }] }, '/networkProtocols/0/port');
  await refused({ networkProtocols: [{ protocol: 'ICMP', port: '1' }] }, '/networkProtocols/0/port');
  await refused({ networkProtocols: [{ protocol: 'TCP', port: '9-8' }] }, '/networkProtocols/0/port');
  await refused({ networkProtocols: [{ protocol: 'ICMP' }], nme: 'x' }, '/nme');
});
