import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, makers, publicKeyOf, revisionOf } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';

const path = '/tenants/devices';
const missing = '11111111-2222-4333-8444-555555555555';

test('a device is created with overlay addresses and an id made from its key, and read back the same', async (t) => {
  const app = await openTestApp(t);
  const made = await makers(app).device('laptop');
  const { id, hardwareId, createdAt, updatedAt, overlayAddresses, ...rest } = made;
  assert.deepEqual(rest, { name: 'laptop', active: true, status: 'Offline', publicKey: publicKeyOf('laptop') });
  assert.match(hardwareId, /^wg-[0-9a-f]{16}$/);
  assert.match(overlayAddresses[0], /^100\.64\.0\.\d+$/);
  assert.match(overlayAddresses[1], /^fd[0-9a-f:]+$/);
  assert.deepEqual((await app.request('GET', `${path}/${id}`)).json, made);
  const body = { name: 'phone', publicKey: publicKeyOf('phone'), hardwareId: 'MAC-1', user: null };
  assert.equal((await app.request('POST', path, { body })).json.hardwareId, 'MAC-1');
});

test('a key is taken once in a tenant, by devices and gateways alike', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  await make.device('laptop');
  const { id } = await make.gateway('Berlin');
  await app.store.db
    .updateTable('gateways')
    .set({ wireguard_key: publicKeyOf('Berlin') })
    .where('id', '=', id)
    .execute();
  for (const owner of ['laptop', 'Berlin']) {
    const body = { name: 'x', publicKey: publicKeyOf(owner) };
    await assertRefused(app, ['POST', path, { body }], 409, 'public_key_taken', ['/publicKey']);
    assert.equal((await app.request('POST', path, { body, key: app.other.key })).status, 201);
  }
});

test('a device that cannot be is refused with the field', async (t) => {
  const app = await openTestApp(t);
  const good = { name: 'x', publicKey: publicKeyOf('x') };
  const refused = (more: object, code: 'invalid_request' | 'invalid_reference', pointer: string) =>
    assertRefused(app, ['POST', path, { body: { ...good, ...more } }], 400, code, [pointer]);
  await refused({ user: missing }, 'invalid_reference', '/user');
  await refused({ user: 'anna' }, 'invalid_request', '/user');
  await refused({ publicKey: 'x' }, 'invalid_request', '/publicKey');
  await refused({ name: '' }, 'invalid_request', '/name');
  await refused({ hardwareId: '' }, 'invalid_request', '/hardwareId');
  await refused({ active: true }, 'invalid_request', '/active');
});

test('a device is Online for three minutes after a handshake', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).device('laptop');
  const read = async () => (await app.request('GET', `${path}/${id}`)).json;
  await app.store.db.updateTable('devices').set({ last_connection: 1000 }).where('id', '=', id).execute();
  assert.deepEqual([(await read()).status, (await read()).lastConnection], ['Offline', '1970-01-01T00:00:01.000Z']);
  app.channel.handshakes.set(id, app.clock.now);
  const seen = new Date(app.clock.now).toISOString();
  app.clock.now += 180_000;
  assert.deepEqual([(await read()).status, (await read()).lastConnection], ['Online', seen]);
  app.clock.now += 1;
  assert.deepEqual([(await read()).status, (await read()).lastConnection], ['Offline', seen]);
});

test('a device is deactivated and reactivated, and keeps its addresses', async (t) => {
  const app = await openTestApp(t);
  const made = await makers(app).device('laptop');
  const url = `${path}/${made.id}`;
  const plan = await app.request('PATCH', `${url}/deactivate?dry-run=true`);
  assert.deepEqual(plan.json.changes, [{ action: 'disconnect', kind: 'device', id: made.id, name: 'laptop' }]);
  app.clock.now += 1000;
  app.channel.handshakes.set(made.id, app.clock.now);
  const cut = await app.request('PATCH', `${url}/deactivate`);
  assert.equal(cut.status, 200, cut.text);
  assert.deepEqual([cut.json.active, cut.json.status, cut.headers.etag], [false, 'Deactivated', '"2"']);
  assert.deepEqual(cut.json.overlayAddresses, made.overlayAddresses);
  assert.notEqual(cut.json.updatedAt, made.updatedAt);
  const before = await revisionOf(app);
  assert.equal((await app.request('PATCH', `${url}/deactivate`)).status, 200);
  assert.equal(await revisionOf(app), before, 'twice is once');
  const stale = { headers: { 'if-match': '"1"' } };
  await assertRefused(app, ['POST', `${url}/reactivate`, stale], 412, 'precondition_failed');
  const back = await app.request('POST', `${url}/reactivate`);
  assert.deepEqual([back.status, back.json.active, back.json.status], [201, true, 'Online']);
});

test('deleting a device takes it out of policies, and its addresses rest', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [gone, stays] = [await make.device('gone'), await make.device('stays')];
  const policy = await make.policy('p', { devices: [gone.id, stays.id] });
  const plan = await app.request('DELETE', `${path}/${gone.id}?dry-run=true`);
  assert.deepEqual(plan.json.changes, [
    { action: 'delete', kind: 'device', id: gone.id, name: 'gone' },
    { action: 'update', kind: 'policy', id: policy.id, name: 'p' },
  ]);
  assert.equal((await app.request('DELETE', `${path}/${gone.id}`)).status, 204);
  const after = (await app.request('GET', `/tenants/policies/${policy.id}`)).json;
  assert.deepEqual(
    after.devices.map(({ id }: { id: string }) => id),
    [stays.id],
  );
  const next = await app.request('POST', path, { body: { name: 'n', publicKey: publicKeyOf('gone') } });
  assert.equal(next.status, 201, 'the key is free again');
  assert.notEqual(next.json.overlayAddresses[0], gone.overlayAddresses[0]);
});

test('unknown devices and those of others are not found', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).device('laptop');
  for (const options of [{ id: missing }, { id, key: app.other.key }]) {
    const url = `${path}/${options.id}`;
    const key = options.key ?? app.tenant.key;
    await assertRefused(app, ['GET', url, { key }], 404, 'not_found');
    await assertRefused(app, ['GET', `${url}/configuration`, { key }], 404, 'not_found');
    await assertRefused(app, ['DELETE', url, { key }], 404, 'not_found');
    await assertRefused(app, ['PATCH', `${url}/deactivate`, { key }], 404, 'not_found');
    await assertRefused(app, ['POST', `${url}/reactivate`, { key }], 404, 'not_found');
  }
  await assertRefused(app, ['GET', `${path}/nonsense`], 400, 'invalid_request', ['path/id']);
});

test('devices are listed in pages, in the order asked for', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  for (const name of ['b', 'a', 'd', 'c']) {
    app.clock.now += 1000;
    await make.device(name);
  }
  const list = async (query: string) => {
    const { status, json, text } = await app.request('GET', `${path}?${query}`);
    assert.equal(status, 200, text);
    const { data, ...envelope } = json;
    return { names: data.map(({ name }: { name: string }) => name).join(''), ...envelope };
  };
  assert.deepEqual(await list(''), {
    names: 'badc',
    total: 4,
    page: 0,
    limit: 10,
    hasNext: false,
    hasPrevious: false,
  });
  assert.equal((await list('sort=name')).names, 'abcd');
  assert.equal((await list('sort=-createdAt')).names, 'cdab');
  assert.deepEqual(await list('sort=name:desc&limit=2&offset=1'), {
    names: 'cb',
    total: 4,
    page: 0,
    limit: 2,
    hasNext: true,
    hasPrevious: true,
  });
  await assertRefused(app, ['GET', `${path}?sort=status`], 400, 'invalid_request', ['query/sort']);
  await assertRefused(app, ['GET', `${path}?filter[name]=a`], 400, 'invalid_request', ['query/filter[name]']);
});
