import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, makers, revisionOf } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';

const path = '/tenants/addresses';

async function start(t: Parameters<typeof openTestApp>[0]) {
  const app = await openTestApp(t);
  const make = makers(app);
  const [ssh, web] = [await make.protocol('22'), await make.protocol('80')];
  const resource = await make.resource('a', [
    { address: '10.0.0.1', protocols: [web.id] },
    { address: '10.0.0.2', protocols: [web.id, ssh.id] },
  ]);
  return { app, make, ssh, web, resource, read: async (url: string) => (await app.request('GET', url)).json };
}

test('addresses are those of all resources, and each is read alone', async (t) => {
  const { app, make, resource, ssh, read } = await start(t);
  const other = await make.resource('s', [{ address: '8.8.8.8', protocols: [ssh.id] }], { type: 'SAAS' });
  const all = [...resource.addresses, ...other.addresses];
  const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
  assert.deepEqual((await read(path)).sort(byId), all.sort(byId));
  for (const address of all) assert.deepEqual(await read(`${path}/${address.id}`), address);
  assert.deepEqual((await app.request('GET', path, { key: app.other.key })).json, []);
});

test('an address is changed in place, as a change of its resource', async (t) => {
  const { app, resource, ssh, read } = await start(t);
  const [first] = resource.addresses;
  app.clock.now += 1000;
  const body = { address: '10.5.5.5/16', protocols: [ssh.id] };
  const plan = await app.request('PUT', `${path}/${first.id}?dry-run=true`, { body });
  assert.deepEqual(plan.json.changes, [{ action: 'update', kind: 'resource', id: resource.id, name: 'a' }]);
  const changed = await app.request('PUT', `${path}/${first.id}`, { body });
  assert.equal(changed.status, 200, changed.text);
  assert.deepEqual(changed.json, { ...first, address: '10.5.0.0/16', protocols: [ssh] });
  const after = await read(`/tenants/resources/${resource.id}`);
  assert.deepEqual(after.addresses, [changed.json, resource.addresses[1]]);
  assert.notEqual(after.updatedAt, resource.updatedAt);
});

test('writing an address back as it was takes no revision', async (t) => {
  const { app, resource } = await start(t);
  const before = await revisionOf(app);
  const [first] = resource.addresses;
  const written = await app.request('PUT', `${path}/${first.id}`, { body: first });
  assert.deepEqual([written.status, written.json], [200, first]);
  assert.equal(await revisionOf(app), before);
});

test('a bad address is refused with the field', async (t) => {
  const { app, resource, web } = await start(t);
  const [first] = resource.addresses;
  const url = `${path}/${first.id}`;
  const put = (address: string, protocols = [web.id]) =>
    ['PUT', url, { body: { address, protocols } }] as ['PUT', string, object];
  await assertRefused(app, put('10.0.0.2'), 400, 'invalid_request', ['/address']);
  await assertRefused(app, put('127.0.0.1'), 400, 'invalid_request', ['/address']);
  await assertRefused(app, put('*.co.uk'), 400, 'invalid_request', ['/address']);
  await assertRefused(app, put('10.0.0.3', [first.id]), 400, 'invalid_reference', ['/protocols/0']);
  await assertRefused(app, put('10.0.0.3', []), 400, 'invalid_request', ['/protocols']);
  await assertRefused(app, ['PUT', url, { ...put('10.0.0.3')[2], key: app.other.key }], 404, 'not_found');
});

test('an address becomes a name, and an IP address again', async (t) => {
  const { app, resource, web, read } = await start(t);
  const [first] = resource.addresses;
  const put = (address: string) =>
    app.request('PUT', `${path}/${first.id}`, { body: { address, protocols: [web.id] } });
  assert.deepEqual(
    [(await put('Host.example.')).json.address, (await put('host.example')).json.isIp],
    ['host.example', false],
  );
  assert.equal((await read(`${path}/${first.id}`)).address, 'host.example');
  assert.equal((await put('10.0.0.9')).json.isIp, true);
});

test('an address is taken out of its resource, also the last one', async (t) => {
  const { app, resource, read } = await start(t);
  for (const { id } of resource.addresses) assert.equal((await app.request('DELETE', `${path}/${id}`)).status, 204);
  assert.deepEqual((await read(`/tenants/resources/${resource.id}`)).addresses, []);
  await assertRefused(app, ['DELETE', `${path}/${resource.addresses[0].id}`], 404, 'not_found');
});

test('a malformed id is an invalid request, and the id of something else is not found', async (t) => {
  const { app, resource } = await start(t);
  for (const id of ['nonsense', '1', resource.id]) {
    const [status, code] = id === resource.id ? ([404, 'not_found'] as const) : ([400, 'invalid_request'] as const);
    await assertRefused(app, ['GET', `${path}/${id}`], status, code);
    await assertRefused(app, ['GET', `${path}/${id}/gateways`], status, code);
    await assertRefused(app, ['DELETE', `${path}/${id}`], status, code);
  }
  const [first] = resource.addresses;
  await assertRefused(app, ['GET', `${path}/${first.id}`, { key: app.other.key }], 404, 'not_found');
});

test('the gateways of an address are those of its resource, in order', async (t) => {
  const { make, resource, read } = await start(t);
  const [a, b] = [await make.gateway('a'), await make.gateway('b')];
  const url = `${path}/${resource.addresses[0].id}/gateways`;
  assert.deepEqual(await read(url), []);
  const { gateways } = await make.attach(resource.id, [b.id, a.id]);
  assert.deepEqual(await read(url), gateways);
});
