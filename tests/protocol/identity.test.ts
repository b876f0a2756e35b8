import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from './harness.ts';
import { admits, bringUp, furnish, openSmallWorld, revisionOf, statusIs, statusOf } from './small-world.ts';

const warnings = (world: World) => world.controller.log.map(({ text }) => text);

test('a token enrols once: a second host is refused, and the first keeps working', async (t) => {
  const small = await openSmallWorld(t);
  const { world, gateway, host } = small;
  await bringUp(small);
  const second = world.host(gateway.token);
  second.start();
  await world.until('the refusal', () => second.refused === 'already-enrolled');
  assert.deepEqual([second.plane.hash, second.disk.controllerKey], [null, null], 'nothing is learnt by it');
  assert.ok(host.live && admits(small));
  assert.ok(warnings(world).some((text) => /second agent came with the token/.test(text)));
  assert.equal(await statusOf(small), 'ONLINE');
});

test('a copied host takes over, the first stays away, and the operator is warned', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  await world.run(1_000);
  const copy = host.copyOf();
  world.agents.push(copy);
  copy.start();
  await world.until('the take-over', () => copy.live && host.refused === 'taken-over');
  await world.run(60_000);
  assert.deepEqual([copy.live, host.session?.phase], [true, 'refused'], 'they do not fight');
  assert.equal(await statusOf(small), 'ONLINE');
  assert.ok(warnings(world).some((text) => /two agents with the same identity/.test(text)));
  copy.kill();
  await statusIs(small, 'OFFLINE');
  await world.until('the first tries again', () => host.live, 600_000);
  await statusIs(small, 'ONLINE');
});

test('a re-key ends the old identity and token, and the data plane runs until the next agent', async (t) => {
  const small = await openSmallWorld(t);
  const { world, tenant, gateway, path, host } = small;
  await bringUp(small);
  const { token } = await world.ok(tenant, 'POST', `${path}/rekey`);
  await world.until('the agent is refused', () => host.refused === 'bad-identity');
  assert.deepEqual([await statusOf(small), admits(small)], ['ONLINE', true], 'packets still flow');
  const thief = world.host(gateway.token);
  thief.start();
  await world.until('the old token is refused', () => thief.refused === 'bad-token');
  host.kill();
  host.reinstall(token);
  host.start();
  await world.until('the new identity', () => host.live);
  await statusIs(small, 'ONLINE', 1_000);
  await world.ok(tenant, 'PATCH', path, { name: 'gateway', wireguardPort: '1234' });
  await world.until('it is served', () => {
    const item = host.plane.inForce.get('gateway');
    return item?.kind === 'gateway' && item.listenPort === 1234;
  });
});

test('a deleted gateway is removed from its host at once, or on its return', async (t) => {
  const world = await World.open(t);
  const tenant = await world.controller.tenant('first');
  const [present, away] = [
    await furnish(world, tenant),
    await world.ok(tenant, 'POST', '/tenants/gateways', { name: 'away', wireguardPort: '1' }),
  ];
  const absent = world.host(away.token);
  absent.start();
  await bringUp(present);
  await world.until('both', () => absent.session?.applied != null);
  await world.run(1_000);
  absent.kill();
  for (const { id } of [present.gateway, away]) await world.ok(tenant, 'DELETE', `/tenants/gateways/${id}`);
  await world.until('the present one is undone', () => present.host.tornDown, 1_000);
  assert.ok(!absent.tornDown && absent.plane.hash !== null);
  await world.drive(world.controller.kill());
  await world.controller.start();
  await world.run(3_600_000);
  absent.start();
  await world.until('the other is undone', () => absent.tornDown, 20_000);
  assert.equal(absent.session?.phase, 'stopped');
});

test('an agent of one tenant cannot act as a gateway of another', async (t) => {
  const world = await World.open(t);
  const first = await furnish(world, await world.controller.tenant('first'));
  const second = await furnish(world, await world.controller.tenant('second'));
  await bringUp(first);
  await bringUp(second);
  await world.run(1_000);
  const impostor = world.host(second.gateway.token);
  impostor.disk = first.host.disk;
  impostor.start();
  await world.until('the refusal', () => impostor.refused === 'bad-identity');
  assert.equal(impostor.plane.hash, null);
  assert.ok(first.host.live && second.host.live);
});

test('changes of one tenant reach neither agents nor lists of another', async (t) => {
  const world = await World.open(t);
  const first = await furnish(world, await world.controller.tenant('first'));
  const second = await furnish(world, await world.controller.tenant('second'));
  await bringUp(first);
  await bringUp(second);
  await world.run(20_000);
  const [items, revision, list] = [
    JSON.stringify([...second.host.plane.inForce.values()]),
    await revisionOf(world, second.tenant),
    (await world.request(second.tenant, 'GET', '/tenants/gateways')).text,
  ];
  second.host.heard.length = 0;
  await world.ok(first.tenant, 'DELETE', `/tenants/policies/${first.policy.id}`);
  await world.ok(first.tenant, 'PATCH', first.path, { name: 'gateway', wireguardPort: '1', intent: 'MAINTENANCE' });
  await world.until('it is done', () => !admits(first));
  await world.run(2_000);
  assert.deepEqual(second.host.heard, []);
  assert.equal(JSON.stringify([...second.host.plane.inForce.values()]), items);
  assert.equal(await revisionOf(world, second.tenant), revision);
  const after = (await world.request(second.tenant, 'GET', '/tenants/gateways')).text;
  const still = (text: string) => text.replaceAll(/"lastOnline":"[^"]*"/g, '');
  assert.equal(still(after), still(list));
  for (const { id } of [first.gateway, first.device, first.resource])
    assert.ok(!items.includes(id) && !after.includes(id));
});
