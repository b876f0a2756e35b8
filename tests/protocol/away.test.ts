import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admits, bringUp, openSmallWorld, type SmallWorld } from './small-world.ts';

const revoke = ({ world, tenant, policy }: SmallWorld) => world.ok(tenant, 'DELETE', `/tenants/policies/${policy.id}`);

/** The return must end what was revoked, at once and not only at last. */
async function isCaught(small: SmallWorld): Promise<void> {
  const took = await small.world.until('what was revoked is gone', () => small.host.live && !admits(small), 40_000);
  assert.ok(took < 35_000);
  await small.world.run(60_000);
  assert.ok(!admits(small), 'and stays gone');
}

test('what was revoked while the network was away ends with the return', async (t) => {
  const small = await openSmallWorld(t);
  await bringUp(small);
  small.host.wire?.halfOpen();
  await revoke(small);
  await small.world.run(5_000);
  assert.ok(admits(small), 'nobody could tell it');
  await isCaught(small);
});

test('what was revoked while the agent was dead ends with its return, by what it missed', async (t) => {
  const small = await openSmallWorld(t);
  await bringUp(small);
  small.host.kill();
  await revoke(small);
  await small.world.run(60_000);
  assert.ok(admits(small), 'the data plane outlives the agent');
  small.host.start();
  await isCaught(small);
});

test('what was revoked ends with the return after the controller has forgotten where the agent was, by a snapshot', async (t) => {
  const small = await openSmallWorld(t);
  await bringUp(small);
  small.host.kill();
  await revoke(small);
  await small.world.run(3_600_000);
  small.host.start();
  await isCaught(small);
  assert.ok(small.host.heard.includes('snapshot') && !small.host.heard.includes('delta'), small.host.heard.join());
});

test('what was revoked ends with the return when the controller was killed as well', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  host.kill();
  await revoke(small);
  await world.drive(world.controller.kill());
  host.start();
  await world.run(60_000);
  assert.ok(admits(small), 'cold start from what it has stored');
  await world.controller.start();
  await isCaught(small);
});

test('a controller that has restarted sends everything once, since nobody can tell by a hash which time limits the agent has', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  await world.run(20_000);
  await world.drive(world.controller.kill());
  host.heard.length = 0;
  await world.controller.start();
  await world.until('the agent is back', () => host.live && host.heard.includes('snapshot'));
  await world.run(30_000);
  assert.deepEqual([...host.heard].sort(), ['challenge', 'snapshot', 'welcome']);
});

test('an agent that reads nothing while much changes gets the last state once it reads', async (t) => {
  const small = await openSmallWorld(t);
  const { world, tenant, host } = small;
  await bringUp(small);
  const { wire } = host;
  assert.ok(wire !== null);
  wire.agentReads = false;
  for (let n = 0; n < 300; n++) {
    const body = { name: 'gateway', wireguardPort: String(n + 1) };
    await world.ok(tenant, 'PATCH', small.path, body);
    await world.run(50);
  }
  await revoke(small);
  wire.agentReads = true;
  const item = () => host.plane.inForce.get('gateway');
  await world.until(
    'the last state',
    () => !admits(small) && (item() as { listenPort: number }).listenPort === 300,
    5_000,
  );
});
