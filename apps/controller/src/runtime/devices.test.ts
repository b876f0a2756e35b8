import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeviceItem, StateItem } from '@sallyport/contract/channel';
import { makers, publicKeyOf } from '../testing/api.ts';
import { nativeDevice } from '../testing/enrol.ts';
import { openTestApp, type TestApp } from '../testing/harness.ts';
import { Follower, freshRuntimes } from './testing/follower.ts';

const stateOf = async (app: TestApp, id: string) => (await app.parts.states.current(id)) ?? assert.fail('no state');
const keysOf = (items: readonly StateItem[], kind: StateItem['kind']) =>
  items.filter((item) => item.kind === kind).map(({ key }) => key);

/** A native device, a gateway that is enrolled, and a resource there that a policy opens to the device. */
async function start(app: TestApp, rule?: string) {
  const make = makers(app);
  const gateway = await make.gateway('Berlin', { endpoint: 'berlin.example.com' });
  const { json: secret } = await app.request('GET', `/tenants/gateways/${gateway.id}`);
  assert.equal(secret.publicKey, undefined);
  await app.store.db
    .updateTable('gateways')
    .set({ wireguard_key: publicKeyOf('Berlin') })
    .where('id', '=', gateway.id)
    .execute();
  const protocol = await make.protocol('443');
  const web = await make.resource('web', [{ address: '10.1.2.3', protocols: [protocol.id] }]);
  await make.attach(web.id, [gateway.id]);
  const device = await nativeDevice(app, 'laptop');
  const condition = rule === undefined ? {} : { rule: (await make.rule('rule', rule)).id };
  await make.policy('Allow', { devices: [device.id], resources: [web.id], ...condition });
  return { make, gateway, web, device };
}

test('the state of a native device is built from rows, and kept up to date while it is followed', async (t) => {
  const app = await openTestApp(t);
  const { make, gateway, web, device } = await start(app);
  const state = await stateOf(app, device.id);
  const follower = new Follower(t, app.parts.states, device.id, await stateOf(app, device.id));
  const [client] = state.items().filter(({ kind }) => kind === 'client');
  assert.ok(client?.kind === 'client');
  assert.deepEqual(client.addresses.map((text) => text.replace(/\/.*/, '')).sort(), device.overlayAddresses.sort());
  const [peer] = state.items().filter(({ kind }) => kind === 'peer');
  assert.ok(peer?.kind === 'peer');
  assert.deepEqual([peer.id, peer.name, peer.publicKey], [gateway.id, 'Berlin', publicKeyOf('Berlin')]);
  assert.deepEqual(peer.endpoints, ['berlin.example.com:51820']);
  assert.deepEqual(keysOf(state.items(), 'route'), ['route/10.1.2.3/32']);
  assert.deepEqual(keysOf(state.items(), 'resource'), [`resource/${web.id}`]);

  await stateOf(app, device.id);
  const protocol = await make.protocol('80');
  const files = await make.resource('files', [{ address: '10.9.9.9', protocols: [protocol.id] }]);
  await make.attach(files.id, [gateway.id]);
  await make.policy('More', { devices: [device.id], resources: [files.id] });
  await stateOf(app, device.id);
  assert.deepEqual(keysOf(follower.items, 'route').sort(), ['route/10.1.2.3/32', 'route/10.9.9.9/32']);
  assert.equal(follower.hash, (await stateOf(app, device.id)).hash);
  assert.equal((await freshRuntimes(app).current(device.id))?.hash, follower.hash);
});

test('a deactivated device keeps only its client item and gets everything back later; a deleted one is told', async (t) => {
  const app = await openTestApp(t);
  const { device } = await start(app);
  const follower = new Follower(t, app.parts.states, device.id, await stateOf(app, device.id));
  await stateOf(app, device.id);
  const { hash } = follower;
  await app.request('PATCH', `/tenants/devices/${device.id}/deactivate`);
  await stateOf(app, device.id);
  assert.deepEqual(
    follower.items.filter(({ kind }) => kind !== 'client'),
    [],
  );
  assert.equal(follower.items.length, 1);
  await app.request('POST', `/tenants/devices/${device.id}/reactivate`);
  await stateOf(app, device.id);
  assert.equal(follower.hash, hash);
  await app.request('DELETE', `/tenants/devices/${device.id}`);
  assert.equal(await app.parts.states.current(device.id), null);
  assert.deepEqual(follower.changes.at(-1), { kind: 'deleted' });
});

test('facts that a client reports open and close access at the gateway and on the device', async (t) => {
  const app = await openTestApp(t);
  const { gateway, device } = await start(app, 'posture.diskEncrypted == true');
  const tell = async (diskEncrypted: boolean) => {
    await app.parts.directory.deviceTold(device.id, { posture: { diskEncrypted } });
    await stateOf(app, gateway.id);
  };
  const atGateway = new Follower(t, app.parts.states, gateway.id, await stateOf(app, gateway.id));
  const onDevice = new Follower(t, app.parts.states, device.id, await stateOf(app, device.id));
  await stateOf(app, device.id);
  const profile = () => {
    const item = atGateway.items.find(({ key }) => key === `device/${device.id}`) as DeviceItem | undefined;
    return item?.profile ?? null;
  };
  assert.deepEqual([profile(), keysOf(onDevice.items, 'route')], [null, []]);
  await tell(true);
  assert.notEqual(profile(), null);
  assert.deepEqual(keysOf(onDevice.items, 'route'), ['route/10.1.2.3/32']);
  await tell(false);
  assert.deepEqual([profile(), keysOf(onDevice.items, 'route')], [null, []]);
});

test('an endpoint that a beacon saw moves paths only: no condition on the source reads it, whatever it is', async (t) => {
  const app = await openTestApp(t);
  const { gateway, device } = await start(app, "source.inCidr('198.51.100.0/24')");
  const runtimes = freshRuntimes(app);
  const { id } = app.tenant;
  const admits = async () => {
    const items = (await runtimes.current(gateway.id))?.items() ?? [];
    return items.some((item) => item.key === `device/${device.id}` && item.kind === 'device' && item.profile !== null);
  };
  const forge = async (endpoint: string) => {
    runtimes.deviceMapped(id, device.id, endpoint);
    await app.store.db.updateTable('devices').set({ mapped_endpoint: endpoint }).where('id', '=', device.id).execute();
  };
  await forge('198.51.100.7:51820');
  assert.equal(await admits(), false, 'an endpoint inside opens nothing');
  runtimes.deviceMoved(id, device.id, '198.51.100.7');
  assert.equal(await admits(), true);
  await forge('203.0.113.66:51820');
  assert.equal(await admits(), true, 'an endpoint outside closes nothing');
  runtimes.deviceMoved(id, device.id, '203.0.113.9');
  await forge('198.51.100.7:51820');
  assert.equal(await admits(), false);
});

test('a resource that its gateway cannot reach is told to the device at once, without a revision', async (t) => {
  const app = await openTestApp(t);
  const { gateway, web, device } = await start(app);
  const follower = new Follower(t, app.parts.states, device.id, await stateOf(app, device.id));
  const { revision } = await stateOf(app, device.id);
  const unreachable = () => follower.items.flatMap((item) => (item.kind === 'peer' ? item.unreachable : []));
  app.parts.unreachable(app.tenant.id, gateway.id, [web.id]);
  assert.deepEqual(unreachable(), [web.id]);
  assert.deepEqual((await stateOf(app, device.id)).revision, revision);
  await app.request('PATCH', `/tenants/gateways/${gateway.id}`, { body: { name: 'Hamburg', wireguardPort: '51820' } });
  await stateOf(app, device.id);
  assert.deepEqual(unreachable(), [web.id], 'a commit about the gateway leaves it');
  app.parts.unreachable(app.tenant.id, gateway.id, []);
  assert.deepEqual(unreachable(), []);
});

test('a state without a follower is not kept up to date', async (t) => {
  const app = await openTestApp(t);
  const { make, gateway, device } = await start(app);
  const before = await stateOf(app, device.id);
  const protocol = await make.protocol('80');
  const files = await make.resource('files', [{ address: '10.9.9.9', protocols: [protocol.id] }]);
  await make.attach(files.id, [gateway.id]);
  await make.policy('More', { devices: [device.id], resources: [files.id] });
  const after = await stateOf(app, device.id);
  assert.notEqual(after.hash, before.hash);
  assert.equal((await freshRuntimes(app).current(device.id))?.hash, after.hash);
});

test('a plain device has no state of its own', async (t) => {
  const app = await openTestApp(t);
  const phone = await makers(app).device('phone');
  assert.equal(await app.parts.states.current(phone.id), null);
});
