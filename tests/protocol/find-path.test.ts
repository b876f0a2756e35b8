import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import type { TestAgent } from './agent.ts';
import { bringUp, openSmallWorld, type SmallWorld } from './small-world.ts';

/** A native device with access through the gateway, and a second gateway, which relays. */
async function withRelay(small: SmallWorld) {
  const { world, tenant, resource } = small;
  await bringUp(small);
  const key = await world.ok(tenant, 'POST', '/tenants/enrolment-keys', { name: 'desk' });
  const client = world.host(key.key);
  client.start();
  await world.until('the device has a state', () => client.plane.inForce.has('client'));
  const desk = { name: 'desk', action: true, type: 'PRIVATE', devices: [key.id], resources: [resource.id] };
  const policy = await world.ok(tenant, 'POST', '/tenants/policies', desk);
  const relay = await world.ok(tenant, 'POST', '/tenants/gateways', { name: 'relay', wireguardPort: '51820' });
  await world.ok(tenant, 'POST', `/tenants/gateways/${relay.id}/enable-relay`);
  const relaying = world.host(relay.token);
  relaying.start();
  await world.until('the device knows both', () => {
    const { inForce } = client.plane;
    return inForce.has(`peer/${small.gateway.id}`) && inForce.has(`relay-point/${relay.id}`);
  });
  return { client, device: key.id as string, policy: policy.id as string, relay: relay.id as string, relaying };
}

function item<K extends StateItem['kind']>({ plane }: TestAgent, kind: K, id?: string) {
  const found = [...plane.inForce.values()].find(
    (each) => each.kind === kind && (id === undefined || ('id' in each && each.id === id)),
  );
  return found as Extract<StateItem, { kind: K }> | undefined;
}

test('a gateway without contact to a device makes it send to the gateway’s observed address', async (t) => {
  const small = await openSmallWorld(t);
  const { world, gateway, host } = small;
  const { client, device } = await withRelay(small);
  host.findPath(device, false);
  await world.until('the device is told', () => client.punches.has(gateway.id), 1_000);
  assert.deepEqual(client.punches.get(gateway.id), ['198.51.100.1:51820']);
});

test('a requested relay is in the state of all three peers as long as a policy needs it', async (t) => {
  const small = await openSmallWorld(t);
  const { world, tenant, gateway, host } = small;
  const { client, device, policy, relay, relaying } = await withRelay(small);
  client.findPath(gateway.id, true);
  await world.until('the relay has the pair', () => item(relaying, 'relay') !== undefined, 1_000);
  const pair = item(relaying, 'relay');
  assert.deepEqual(pair?.peers.map(({ id }) => id).sort(), [device, gateway.id].sort());
  const endpoint = `198.51.100.3:${pair?.port}`;
  await world.until('both ends have it', () => item(host, 'device', device)?.relay !== null, 1_000);
  assert.equal(item(host, 'device', device)?.relay, endpoint);
  await world.until('the device too', () => item(client, 'peer', gateway.id)?.relays.length === 1, 1_000);
  assert.deepEqual(item(client, 'peer', gateway.id)?.relays, [{ gateway: relay, endpoint }]);

  await world.ok(tenant, 'DELETE', `/tenants/policies/${policy}`);
  await world.until('it ends with the grant', () => item(relaying, 'relay') === undefined, 1_000);

  await world.ok(tenant, 'DELETE', `/tenants/devices/${device}`);
  assert.deepEqual(await world.controller.store.db.selectFrom('relay_pairs').selectAll().execute(), []);
});

test('an agent gets no relay and no probe for peers outside of its policies', async (t) => {
  const small = await openSmallWorld(t);
  const { world, tenant } = small;
  const { client, device, policy, relay, relaying } = await withRelay(small);
  client.findPath(relay, true);
  relaying.findPath(device, true);
  await world.run(5_000);
  await world.ok(tenant, 'DELETE', `/tenants/policies/${policy}`);
  await world.run(5_000);
  client.findPath(small.gateway.id, true);
  await world.run(5_000);
  assert.deepEqual([client.punches.size, relaying.punches.size, small.host.punches.size], [0, 0, 0]);
  assert.deepEqual(await world.controller.store.db.selectFrom('relay_pairs').selectAll().execute(), []);
});
