import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestAgent } from './agent.ts';
import { bringUp, openSmallWorld, type SmallWorld } from './small-world.ts';

/** A native device that a policy allows to reach the web server, with or without a rule. */
async function withClient(small: SmallWorld, rule?: string) {
  const { world, tenant, resource } = small;
  const key = await world.ok(tenant, 'POST', '/tenants/enrolment-keys', { name: 'desk' });
  const client = world.host(key.key);
  client.start();
  await world.until('the device has a state', () => client.plane.inForce.has('client'));
  const made =
    rule === undefined
      ? null
      : await world.ok(tenant, 'POST', '/tenants/admission-rules', { name: 'r', rule, hasTimeConstraint: false });
  await world.ok(tenant, 'POST', '/tenants/policies', {
    name: 'desk',
    action: true,
    type: 'PRIVATE',
    devices: [key.id],
    resources: [resource.id],
    ...(made === null ? {} : { rule: made.id }),
  });
  return { client, id: key.id as string, token: key.key as string };
}

const routes = (client: TestAgent): string[] =>
  [...client.plane.inForce.values()].flatMap((item) => (item.kind === 'route' ? [item.id] : []));

/** Returns whether the gateway admits the device, and whether the device has a route to it. */
function reach({ host }: SmallWorld, client: TestAgent, id: string): [admitted: boolean, routed: boolean] {
  const item = host.plane.inForce.get(`device/${id}`);
  return [item?.kind === 'device' && item.profile !== null, routes(client).includes('10.1.2.3/32')];
}

test('a device enrols once and gets a path to the gateway that admits it', async (t) => {
  const small = await openSmallWorld(t);
  const { world, tenant, gateway } = small;
  await bringUp(small);
  const { client, id, token } = await withClient(small);
  await world.until('both sides have it', () => reach(small, client, id).join() === 'true,true', 2_000);
  const peer = client.plane.inForce.get(`peer/${gateway.id}`);
  assert.ok(peer?.kind === 'peer');
  const device = small.host.plane.inForce.get(`device/${id}`);
  assert.ok(device?.kind === 'device');
  assert.equal(peer.publicKey, small.host.disk.wireguard.publicKey);
  assert.equal(device.publicKey, client.disk.wireguard.publicKey);
  const shown = await world.ok(tenant, 'GET', `/tenants/devices/${id}`);
  assert.deepEqual([shown.kind, shown.connected, shown.agent.hostname], ['NATIVE', true, 'host']);

  const copy = world.host(token);
  copy.start();
  await world.until('the copy is refused', () => copy.refused === 'already-enrolled');
  assert.ok(client.live);

  client.kill();
  await world.run(60_000);
  client.start();
  await world.until('it comes back with its identity', () => client.live, 20_000);
  assert.equal((await world.ok(tenant, 'GET', '/tenants/devices')).total, 2);
});

test('facts that a client reports open and close access on both sides', async (t) => {
  const small = await openSmallWorld(t);
  await bringUp(small);
  const { world } = small;
  const { client, id } = await withClient(small, 'posture.diskEncrypted == true');
  await world.run(5_000);
  assert.deepEqual(reach(small, client, id), [false, false]);
  client.look({ diskEncrypted: true });
  await world.until('access opens', () => reach(small, client, id).join() === 'true,true', 2_000);
  await world.run(10_000);
  client.look({ diskEncrypted: false });
  await world.until('access closes', () => reach(small, client, id).join() === 'false,false', 2_000);
});

test('a deactivated device stays connected without access, and a deleted one is removed, also after an absence', async (t) => {
  const small = await openSmallWorld(t);
  await bringUp(small);
  const { world, tenant } = small;
  const { client, id } = await withClient(small);
  const away = await withClient(small);
  await world.until('both have it', () => routes(client).length > 0 && routes(away.client).length > 0);
  await world.run(1_000);
  away.client.kill();
  await world.ok(tenant, 'PATCH', `/tenants/devices/${id}/deactivate`);
  await world.until('nothing is left', () => [...client.plane.inForce.keys()].join() === 'client', 2_000);
  assert.ok(client.live);
  for (const device of [id, away.id]) await world.ok(tenant, 'DELETE', `/tenants/devices/${device}`);
  await world.until('it is undone', () => client.tornDown, 1_000);
  assert.ok(!small.host.plane.inForce.has(`device/${id}`));
  await world.run(3_600_000);
  away.client.start();
  await world.until('the other one is undone on return', () => away.client.tornDown, 20_000);
});

test('a returning device receives missed changes, also across a controller crash', async (t) => {
  const small = await openSmallWorld(t);
  await bringUp(small);
  const { world, tenant, policy } = small;
  const { client, id } = await withClient(small);
  await world.until('it has a way', () => reach(small, client, id).join() === 'true,true');
  await world.run(1_000);
  client.wire?.cut();
  await world.drive(world.controller.kill());
  await world.controller.start();
  const policies: { id: string; isDefault: boolean }[] = await world.ok(tenant, 'GET', '/tenants/policies');
  for (const one of policies.filter(({ id: other, isDefault }) => !isDefault && other !== policy.id))
    await world.ok(tenant, 'DELETE', `/tenants/policies/${one.id}`);
  await world.until('it has nothing any more', () => reach(small, client, id).join() === 'false,false', 120_000);
});
