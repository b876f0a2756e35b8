import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admits, bringUp, openSmallWorld, type SmallWorld } from './small-world.ts';

const revoke = ({ world, tenant, policy }: SmallWorld) => world.ok(tenant, 'DELETE', `/tenants/policies/${policy.id}`);

/** The reconnect must end revoked access immediately, not only eventually. */
async function isCaught(small: SmallWorld): Promise<void> {
  const took = await small.world.until('what was revoked is gone', () => small.host.live && !admits(small), 40_000);
  assert.ok(took < 35_000);
  await small.world.run(60_000);
  assert.ok(!admits(small), 'and stays gone');
}

test('a grant revoked during a network outage ends on reconnect', async (t) => {
  const small = await openSmallWorld(t);
  await bringUp(small);
  small.host.wire?.halfOpen();
  await revoke(small);
  await small.world.run(5_000);
  assert.ok(admits(small), 'nobody could tell it');
  await isCaught(small);
});

test('a grant revoked while the agent was dead ends on its return, by deltas', async (t) => {
  const small = await openSmallWorld(t);
  await bringUp(small);
  small.host.kill();
  await revoke(small);
  await small.world.run(60_000);
  assert.ok(admits(small), 'the data plane outlives the agent');
  small.host.start();
  await isCaught(small);
});

test('a revoked grant ends on return by a snapshot when the controller forgot the agent’s revision', async (t) => {
  const small = await openSmallWorld(t);
  await bringUp(small);
  small.host.kill();
  await revoke(small);
  await small.world.run(3_600_000);
  small.host.start();
  await isCaught(small);
  assert.ok(small.host.heard.includes('snapshot') && !small.host.heard.includes('delta'), small.host.heard.join());
});

test('a revoked grant ends on return also when the controller was killed', async (t) => {
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

test('a restarted controller sends a full state once, because a hash does not cover time limits', async (t) => {
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

test('an agent that stops reading during many changes gets the last state once it reads', async (t) => {
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
