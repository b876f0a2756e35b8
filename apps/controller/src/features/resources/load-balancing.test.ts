import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, makers, revisionOf } from '../../testing/api.ts';
import { present } from '../../testing/channel.ts';
import { openTestApp } from '../../testing/harness.ts';

const missing = '11111111-2222-4333-8444-555555555555';
const idsOf = (objects: { id: string }[]) => objects.map(({ id }) => id);

async function start(t: Parameters<typeof openTestApp>[0]) {
  const app = await openTestApp(t);
  const make = makers(app);
  const { id: web } = await make.protocol('80');
  const resource = await make.resource('server', [{ address: '10.0.0.1', protocols: [web] }]);
  const gateways = await Promise.all(['a', 'b', 'c'].map((name) => make.gateway(name)));
  return { app, make, resource, path: `/tenants/resources/${resource.id}`, gateways: idsOf(gateways) };
}

test('gateways are attached in order, reordered and detached by the complete list', async (t) => {
  const { app, path, gateways, resource } = await start(t);
  const [a = '', b = '', c = ''] = gateways;
  const put = (ids: string[], mode = 'MANUAL') =>
    app.request('PUT', `${path}/load-balancing`, { body: { loadBalancingMode: mode, gateways: ids } });
  const first = await put([b, a.toUpperCase()], 'AUTOMATIC');
  assert.equal(first.status, 200, first.text);
  assert.deepEqual([first.json.loadBalancingMode, idsOf(first.json.gateways)], ['AUTOMATIC', [b, a]]);
  assert.ok(first.json.gateways.every(({ token }: { token: string }) => /^sgw_[0-9a-f]*.?[*…]/.test(token)));
  assert.equal(first.headers.etag, '"2"');
  assert.deepEqual((await app.request('GET', `/tenants/gateways/${a}`)).json.resources, [
    { id: resource.id, name: 'server' },
  ]);
  assert.deepEqual(idsOf((await put([a, b])).json.gateways), [a, b]);
  const before = await revisionOf(app);
  assert.deepEqual(idsOf((await put([a, b])).json.gateways), [a, b]);
  assert.equal(await revisionOf(app), before, 'the same again is no change');
  const plan = await app.request('PUT', `${path}/load-balancing?dry-run=true`, {
    body: { loadBalancingMode: 'MANUAL', gateways: [c, a] },
  });
  assert.deepEqual(plan.json.changes, [
    { action: 'update', kind: 'resource', id: resource.id, name: 'server' },
    { action: 'attach', kind: 'gateway', id: c, name: 'c' },
    { action: 'detach', kind: 'gateway', id: b, name: 'b' },
  ]);
  assert.deepEqual(idsOf((await put([])).json.gateways), []);
});

test('a list with unknown, foreign or repeated gateways changes nothing', async (t) => {
  const { app, path, gateways } = await start(t);
  const [a = '', b = ''] = gateways;
  const foreign = await app.request('POST', '/tenants/gateways', {
    body: { name: 'x', wireguardPort: '1' },
    key: app.other.key,
  });
  const refused = (ids: string[], pointers: string[]) =>
    assertRefused(
      app,
      ['PUT', `${path}/load-balancing`, { body: { loadBalancingMode: 'MANUAL', gateways: ids } }],
      400,
      'invalid_reference',
      pointers,
    );
  await refused([a, missing], ['/gateways/1']);
  await refused([foreign.json.id, b], ['/gateways/0']);
  await refused([a, b, a, b.toUpperCase()], ['/gateways/2', '/gateways/3']);
  const body = { loadBalancingMode: 'BEST', gateways: ['x'] };
  await assertRefused(app, ['PUT', `${path}/load-balancing`, { body }], 400, 'invalid_request', [
    '/loadBalancingMode',
    '/gateways/0',
  ]);
  const good = { loadBalancingMode: 'MANUAL', gateways: [a] };
  const elsewhere = `/tenants/resources/${missing}/load-balancing`;
  await assertRefused(app, ['PUT', elsewhere, { body: good }], 404, 'not_found');
  await assertRefused(app, ['PUT', `${path}/load-balancing`, { body: good, key: app.other.key }], 404, 'not_found');
});

test('one gateway is detached; one that is not attached is not found', async (t) => {
  const { app, make, path, gateways, resource } = await start(t);
  const [a = '', b = '', c = ''] = gateways;
  await make.attach(resource.id, [a, b]);
  await assertRefused(app, ['DELETE', `${path}/gateways/${c}`], 404, 'not_found');
  await assertRefused(app, ['DELETE', `${path}/gateways/${missing}`], 404, 'not_found');
  await assertRefused(app, ['DELETE', `${path}/gateways/nonsense`], 400, 'invalid_request', ['path/gatewayId']);
  await assertRefused(app, ['DELETE', `${path}/gateways/${a}`, { key: app.other.key }], 404, 'not_found');
  assert.equal((await app.request('DELETE', `${path}/gateways/${a}`)).status, 204);
  assert.deepEqual(idsOf((await app.request('GET', path)).json.gateways), [b]);
  await assertRefused(app, ['DELETE', `${path}/gateways/${a}`], 404, 'not_found');
});

test('a resource is ONLINE while one of its gateways is', async (t) => {
  const { app, make, path, gateways, resource } = await start(t);
  const [a = '', b = ''] = gateways;
  const status = async () => (await app.request('GET', path)).json.status;
  assert.equal(await status(), undefined);
  await make.attach(resource.id, [a, b]);
  assert.equal(await status(), 'OFFLINE');
  await app.store.db.updateTable('gateways').set({ deployed_on: 1 }).where('id', '=', b).execute();
  app.channel.presences.set(b, present);
  assert.equal(await status(), 'ONLINE');
  const list = (await app.request('GET', '/tenants/resources')).json;
  assert.equal(list.data[0].status, 'ONLINE');
});
