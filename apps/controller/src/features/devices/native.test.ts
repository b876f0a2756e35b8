import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, lastChanges, makers, publicKeyOf, revisionOf } from '../../testing/api.ts';
import { present } from '../../testing/channel.ts';
import { nativeDevice } from '../../testing/enrol.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/devices';
const get = async (app: TestApp, id: string) => (await app.request('GET', `${path}/${id}`)).json;

test('the client and its host are shown once it has connected, and its paths by the names of gateways', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [berlin, hamburg] = [await make.gateway('Berlin'), await make.gateway('Hamburg')];
  const device = await nativeDevice(app, 'laptop');
  const agent = { version: '1.2.0', hostname: 'desk', os: 'Debian 13', kernel: '6.12', wireguard: 'kernel' } as const;
  assert.deepEqual([device.status, device.lastConnection], ['Offline', undefined]);
  app.channel.presences.set(device.id, { ...present, lastSeen: app.clock.now, agent });
  app.channel.pathReports.set(device.id, [
    { peer: hamburg.id, via: berlin.id, rttMs: 12.5 },
    { peer: berlin.id, via: 'direct', rttMs: 3 },
    { peer: '00000000-0000-4000-8000-000000000000', via: null, rttMs: null },
  ]);
  const { connected, status, lastConnection, agent: shown, paths } = await get(app, device.id);
  assert.deepEqual([connected, status, lastConnection], [true, 'Online', '2026-01-15T12:00:00.000Z']);
  assert.deepEqual(shown, { version: '1.2.0', hostname: 'desk', os: 'Debian 13', kernel: '6.12', outdated: false });
  assert.deepEqual(paths, [
    { gateway: { id: berlin.id, name: 'Berlin' }, via: 'DIRECT', rttMs: 3 },
    {
      gateway: { id: hamburg.id, name: 'Hamburg' },
      via: 'RELAYED',
      relay: { id: berlin.id, name: 'Berlin' },
      rttMs: 12.5,
    },
  ]);
  const [listed] = (await app.request('GET', path)).json.data;
  assert.deepEqual([listed.connected, listed.paths], [true, undefined]);
});

test('a differing report of the client is a change without a version; values of administrators win', async (t) => {
  const app = await openTestApp(t);
  const { directory } = app.parts;
  const device = await nativeDevice(app, 'laptop');
  app.clock.now += 1000;
  const posture = { diskEncrypted: true, os: 'Linux' };
  await directory.deviceTold(device.id, { posture, agentVersion: '1.2.0' });
  assert.deepEqual(await lastChanges(app), ['told: device']);
  const revision = await revisionOf(app);
  await directory.deviceTold(device.id, { posture: { os: 'Linux', diskEncrypted: true }, agentVersion: '1.2.0' });
  await directory.deviceTold(device.id, { agentVersion: '1.2.0' });
  assert.equal(await revisionOf(app), revision);
  const told = await get(app, device.id);
  assert.deepEqual([told.posture, told.appVersion, told.updatedAt], [posture, '1.2.0', device.updatedAt]);

  const patch = (body: object) => app.request('PATCH', `${path}/${device.id}`, { body });
  // Written back as it was read, it stays the client's to tell.
  const { json: same } = await patch({ ...told, user: null });
  assert.equal(same.updatedAt, told.updatedAt);
  const { json: overruled } = await patch({ name: 'laptop', posture: { ...posture, diskEncrypted: false } });
  assert.deepEqual(overruled.posture, { diskEncrypted: false, os: 'Linux' });
  await directory.deviceTold(device.id, { posture: { diskEncrypted: true, os: 'Linux 7' } });
  assert.deepEqual((await get(app, device.id)).posture, { diskEncrypted: false, os: 'Linux 7' });
  assert.deepEqual((await patch({ name: 'laptop', posture: null })).json.posture, {
    diskEncrypted: true,
    os: 'Linux 7',
  });
  await directory.deviceTold(device.id, { posture: {} });
  assert.equal((await get(app, device.id)).posture, undefined);
  assert.equal((await patch({ name: 'laptop', appVersion: '9' })).json.appVersion, '1.2.0');
});

test('only administrators set the posture of a plain device', async (t) => {
  const app = await openTestApp(t);
  const device = await makers(app).device('phone');
  const before = await revisionOf(app);
  await app.parts.directory.deviceTold(device.id, { posture: { diskEncrypted: true }, agentVersion: '1' });
  await app.parts.directory.deviceTold('00000000-0000-4000-8000-000000000000', { agentVersion: '1' });
  assert.equal(await revisionOf(app), before);
});

test('a deleted native device leaves a tombstone for its client; a plain device leaves none', async (t) => {
  const app = await openTestApp(t);
  const { agents } = app.parts.directory;
  const [native, plain] = [await nativeDevice(app, 'laptop'), await makers(app).device('phone')];
  assert.equal(await agents.device.enrol(plain.id, 'x', keys('other')), 'bad-token');
  for (const { id } of [native, plain]) assert.equal((await app.request('DELETE', `${path}/${id}`)).status, 204);
  assert.equal(await agents.device.find(native.id), 'deleted');
  assert.equal(await agents.device.find(plain.id), null);
});

test('a client that comes with another WireGuard key keeps its device, unless the key is that of another', async (t) => {
  const app = await openTestApp(t);
  const { agents } = app.parts.directory;
  const device = await nativeDevice(app, 'laptop');
  await makers(app).device('phone');
  assert.equal(await agents.device.wireguardKeyChanged(device.id, publicKeyOf('phone')), 'key-taken');
  assert.equal(await agents.device.wireguardKeyChanged(device.id, publicKeyOf('new')), 'changed');
  assert.deepEqual(await lastChanges(app), ['new WireGuard key: device']);
  const after = await get(app, device.id);
  assert.deepEqual([after.publicKey, after.hardwareId], [publicKeyOf('new'), device.hardwareId]);
});

test('a native device needs no configuration and finds its own way; a plain one enters where a gateway relays', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const berlin = await make.gateway('Berlin');
  const native = await nativeDevice(app, 'laptop');
  await assertRefused(app, ['GET', `${path}/${native.id}/configuration`], 409, 'native_device');
  const entryGateway = berlin.id;
  const plainBody = { name: 'phone', publicKey: publicKeyOf('phone') };
  const make400 = (body: object) =>
    assertRefused(app, ['POST', path, { body: { ...plainBody, ...body } }], 400, 'invalid_reference', [
      '/entryGateway',
    ]);
  await make400({ entryGateway });
  await make400({ entryGateway: '00000000-0000-4000-8000-000000000000' });
  assert.equal((await app.request('POST', `/tenants/gateways/${berlin.id}/enable-relay`)).status, 201);
  const patch = { body: { name: 'laptop', entryGateway } };
  await assertRefused(app, ['PATCH', `${path}/${native.id}`, patch], 400, 'invalid_request', ['/entryGateway']);
  const { json: plain } = await app.request('POST', path, { body: { ...plainBody, entryGateway } });
  assert.deepEqual(plain.entryGateway, { id: berlin.id, name: 'Berlin' });
  // What was read can be written back, also when the gateway relays no more.
  assert.equal((await app.request('POST', `/tenants/gateways/${berlin.id}/disable-relay`)).status, 201);
  assert.equal((await app.request('PATCH', `${path}/${plain.id}`, { body: plain })).status, 200);
  const cleared = await app.request('PATCH', `${path}/${plain.id}`, { body: { name: 'phone', entryGateway: null } });
  assert.equal(cleared.json.entryGateway, undefined);
  await app.request('POST', `/tenants/gateways/${berlin.id}/enable-relay`);
  await app.request('PATCH', `${path}/${plain.id}`, { body: { name: 'phone', entryGateway } });
  const before = await get(app, plain.id);
  app.clock.now += 1000;
  assert.equal((await app.request('DELETE', `/tenants/gateways/${berlin.id}`)).status, 204);
  const after = await get(app, plain.id);
  assert.equal(after.entryGateway, undefined);
  assert.notEqual(after.updatedAt, before.updatedAt);
  assert.equal((await app.app.runtimes.world(app.tenant.id)).devices.get(plain.id)?.entryGateway, null);
});

const keys = (name: string) => ({
  identityKey: publicKeyOf(`identity of ${name}`),
  wireguardPublicKey: publicKeyOf(name),
  hostname: name,
});
