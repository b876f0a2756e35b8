import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayItem } from '@sallyport/contract/channel';
import { assertRefused, makers, publicKeyOf, revisionOf } from '../../testing/api.ts';
import { present } from '../../testing/channel.ts';
import { nativeDevice } from '../../testing/enrol.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/gateways';
const get = async (app: TestApp, id: string) => (await app.request('GET', `${path}/${id}`)).json;

async function itemOf(app: TestApp, id: string): Promise<GatewayItem> {
  const state = await app.parts.states.current(id);
  const item = state?.items().find(({ kind }) => kind === 'gateway');
  return item?.kind === 'gateway' ? item : assert.fail('no gateway item');
}

test('ports of the relay are kept, shown, and told to a gateway that relays', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).gateway('Berlin', { relayPorts: '40000-40009' });
  assert.equal((await get(app, id)).relayPorts, '40000-40009');
  assert.equal((await itemOf(app, id)).relayPorts, null);
  const enabled = await app.request('POST', `${path}/${id}/enable-relay`);
  assert.equal(enabled.status, 201);
  assert.deepEqual([enabled.json.endpoint, enabled.json.discoveredEndpoint], [undefined, undefined]);
  assert.deepEqual((await itemOf(app, id)).relayPorts, { from: 40000, to: 40009 });
  assert.equal((await get(app, id)).statistics.relayed, undefined, 'nothing was ever applied');
  const body = { name: 'Berlin', wireguardPort: '51820' };
  const { json } = await app.request('PATCH', `${path}/${id}`, { body: { ...body, relayPorts: '41000-41009' } });
  assert.equal(json.relayPorts, '41000-41009');
  assert.equal((await app.request('PATCH', `${path}/${id}`, { body })).json.relayPorts, '41000-41009');
  for (const relayPorts of ['41000', '41009-41000', '0-9', '65000-65536', '51820-51829'])
    await assertRefused(app, ['PATCH', `${path}/${id}`, { body: { ...body, relayPorts } }], 400, 'invalid_request', [
      '/relayPorts',
    ]);
});

test('MAINTENANCE has a deadline, counted from when it began, which follows the setting of the tenant', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).gateway('Berlin');
  const patch = (more: object) =>
    app.request('PATCH', `${path}/${id}`, { body: { name: 'Berlin', wireguardPort: '51820', ...more } });
  assert.equal((await itemOf(app, id)).drainUntil, null);
  const began = app.clock.now;
  await patch({ intent: 'MAINTENANCE' });
  assert.equal((await itemOf(app, id)).drainUntil, began + 300_000);
  app.clock.now += 60_000;
  await patch({ description: 'still', intent: 'MAINTENANCE' });
  app.channel.presences.set(id, { ...present, safeToStop: true });
  const { statistics } = await get(app, id);
  assert.deepEqual(
    [statistics.drainUntil, statistics.safeToStop],
    [new Date(began + 300_000).toISOString(), true],
    'writing it again does not begin it again',
  );
  const tenant = await app.request('PATCH', '/tenants/settings', { body: { name: 'First', drainSeconds: 10 } });
  assert.equal(tenant.status, 200, tenant.text);
  assert.equal((await itemOf(app, id)).drainUntil, began + 10_000);
  assert.equal((await get(app, id)).statistics.drainUntil, new Date(began + 10_000).toISOString());
  await patch({ intent: 'ACTIVE' });
  assert.equal((await itemOf(app, id)).drainUntil, null);
  const after = (await get(app, id)).statistics;
  assert.deepEqual([after.drainUntil, after.safeToStop], [undefined, undefined]);
  await patch({ intent: 'MAINTENANCE' });
  assert.equal((await itemOf(app, id)).drainUntil, app.clock.now + 10_000);
});

test('the beacon is believed more than where the channel comes from, for as long as it knows anything', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).gateway('Berlin');
  const { directory } = app.parts;
  const shown = async () => {
    const { discoveredEndpoint, natMapping } = await get(app, id);
    return [discoveredEndpoint, natMapping];
  };
  await directory.observed(id, { discoveredEndpoint: '198.51.100.1:51820' });
  assert.deepEqual(await shown(), ['198.51.100.1:51820', undefined]);
  await directory.observed(id, { discoveredEndpoint: '198.51.100.1:4711', mappingIndependent: true });
  assert.deepEqual(await shown(), ['198.51.100.1:4711', 'ENDPOINT_INDEPENDENT']);
  const revision = await revisionOf(app);
  await directory.observed(id, { discoveredEndpoint: '198.51.100.2:51820' });
  assert.equal(await revisionOf(app), revision);
  await directory.observed(id, { discoveredEndpoint: null, mappingIndependent: false });
  assert.deepEqual(await shown(), [undefined, 'ENDPOINT_DEPENDENT']);
  await directory.observed(id, { error: 'the disk is full' });
  assert.deepEqual(await shown(), [undefined, 'ENDPOINT_DEPENDENT']);
  await directory.observed(id, { mappingIndependent: null });
  assert.deepEqual(await shown(), ['198.51.100.2:51820', undefined], 'the newest that the channel has shown');
});

test('where the channel comes from counts again when a process ends the mapping that has not heard the channel', async (t) => {
  const app = await openTestApp(t);
  const other = await openTestApp(t, { store: app.store });
  const { id } = await makers(app).gateway('Berlin');
  await app.parts.directory.observed(id, { discoveredEndpoint: '198.51.100.1:51820' });
  await other.parts.directory.observed(id, { discoveredEndpoint: '198.51.100.1:4711', mappingIndependent: true });
  await app.parts.directory.observed(id, { discoveredEndpoint: '198.51.100.2:51820' });
  assert.equal((await get(app, id)).discoveredEndpoint, '198.51.100.1:4711');
  await other.parts.directory.observed(id, { mappingIndependent: null });
  assert.equal((await get(app, id)).discoveredEndpoint, '198.51.100.2:51820');
});

test('relayed pairs end with either end, with the relay, and with the port that they had', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [site, relay, other] = [await make.gateway('site'), await make.gateway('relay'), await make.gateway('other')];
  const devices = [await nativeDevice(app, 'a'), await nativeDevice(app, 'b'), await nativeDevice(app, 'c')];
  const insert = (n: number, relayId: string, port: number) => {
    const [a = '', b = ''] = [devices[n].id, site.id].sort();
    const pair = { id: `pair-${n}`, a, b, relay_id: relayId, port, created_at: 0, needed_at: 0 };
    return app.store.db
      .insertInto('relay_pairs')
      .values({ ...pair, tenant_id: app.tenant.id })
      .execute();
  };
  await insert(0, relay.id, 52001);
  await insert(1, relay.id, 52005);
  await insert(2, other.id, 52001);
  const pairs = async () => {
    const rows = await app.store.db.selectFrom('relay_pairs').select('id').orderBy('id').execute();
    const world = await app.app.runtimes.world(app.tenant.id);
    assert.deepEqual(
      [...world.relays.keys()].sort(),
      rows.map(({ id }) => id),
    );
    return rows.map(({ id }) => id.slice('pair-'.length)).join('');
  };
  assert.equal(await pairs(), '012');
  const body = { name: 'relay', wireguardPort: '51820', relayPorts: '52001-52010' };
  assert.equal((await app.request('PATCH', `${path}/${relay.id}`, { body })).status, 200);
  assert.equal(await pairs(), '12', 'the first port is for probes now');
  await app.request('DELETE', `/tenants/devices/${devices[1].id}`);
  assert.equal(await pairs(), '2');
  await insert(0, relay.id, 52002);
  await app.request('DELETE', `${path}/${other.id}`);
  await app.request('DELETE', `${path}/${site.id}`);
  assert.equal(await pairs(), '');
});

test('the world knows where gateways can be reached: as given first, as discovered next', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [named, bare] = [await make.gateway('named', { endpoint: 'vpn.example.com' }), await make.gateway('bare')];
  const { directory } = app.parts;
  for (const { id } of [named, bare]) await directory.observed(id, { discoveredEndpoint: '[2001:db8::1]:51820' });
  const keys = { identityKey: publicKeyOf('i'), wireguardPublicKey: publicKeyOf('w'), hostname: 'h' };
  const world = await app.app.runtimes.world(app.tenant.id);
  const [one, two] = [world.gateways.get(named.id), world.gateways.get(bare.id)];
  assert.deepEqual(one?.endpoints, ['vpn.example.com:51820', '[2001:db8::1]:51820']);
  assert.deepEqual([two?.endpoints, two?.publicKey, two?.failing], [['[2001:db8::1]:51820'], null, false]);
  await app.store.db
    .updateTable('gateways')
    .set({ identity_key: keys.identityKey, wireguard_key: keys.wireguardPublicKey })
    .where('id', '=', bare.id)
    .execute();
  await directory.observed(bare.id, { error: 'the disk is full' });
  const after = (await app.app.runtimes.world(app.tenant.id)).gateways.get(bare.id);
  assert.deepEqual([after?.failing, after?.publicKey], [true, keys.wireguardPublicKey]);
});
