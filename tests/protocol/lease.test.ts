import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admits, bringUp, openSmallWorld, type SmallWorld, statusIs } from './small-world.ts';

const hour = 3_600_000;
const leaseOf = ({ host }: SmallWorld) => host.session?.desired.statement?.leaseUntil ?? Number.NaN;

test('an agent without its controller works until the end of its lease, closes then, and reopens later', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  const lease = leaseOf(small);
  assert.ok(lease - world.clock.now() > 23 * hour, 'a day by default');
  await world.drive(world.controller.stop());
  await world.run(lease - world.clock.now() - 1);
  assert.ok(admits(small) && host.session?.applied !== null, 'a millisecond before');
  await world.run(1_000);
  assert.equal(host.plane.hash, null);
  assert.deepEqual(
    [host.session?.applied, host.session?.failure?.code],
    [null, 'lease-over'],
    'the agent closed it itself',
  );
  await world.run(hour);
  await world.controller.start();
  await statusIs(small, 'ONLINE');
  assert.ok(admits(small));
});

test('the data plane of a dead agent closes at the end of the lease, and a new agent does not open it', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  const lease = leaseOf(small);
  host.kill();
  await world.drive(world.controller.stop());
  await world.run(lease - world.clock.now() - 1);
  assert.ok(admits(small), 'a millisecond before');
  await world.run(1);
  assert.equal(host.plane.hash, null);
  host.start();
  await world.run(hour);
  assert.equal(host.plane.hash, null, 'cold start from a state whose lease is over');
  await world.controller.start();
  await statusIs(small, 'ONLINE');
  assert.ok(admits(small));
});

test('renewals keep a gateway open beyond one lease', async (t) => {
  const small = await openSmallWorld(t, { leaseMs: hour });
  const { world } = small;
  await bringUp(small);
  const first = leaseOf(small);
  while (world.clock.now() < first + 2 * hour) {
    await world.run(hour / 6);
    assert.ok(admits(small));
    assert.ok(leaseOf(small) - world.clock.now() >= hour / 2, 'renewed long before it is over');
  }
});

test('a wrong or jumping clock moves no lease once the agent has heard from the controller', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  host.skewMs = -3 * hour;
  await bringUp(small);
  await world.run(60_000);
  assert.ok(Math.abs(host.now() - world.clock.now()) <= 1_000, 'the agent knows the time');
  const lease = leaseOf(small);
  await world.drive(world.controller.stop());
  for (const skew of [5, -40, 30]) {
    host.skewMs = skew * hour;
    await world.run(hour);
    assert.ok(admits(small), `${skew} hours off`);
  }
  await world.run(lease - world.clock.now() - 3_000);
  assert.ok(admits(small), 'shortly before the end of the lease');
  await world.run(6_000);
  assert.equal(host.plane.hash, null);
});

test('an agent that restarts without its controller counts the lease by the stored clock offset', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  host.skewMs = -3 * hour;
  await bringUp(small);
  await world.run(60_000);
  const lease = leaseOf(small);
  await world.drive(world.controller.stop());
  host.kill();
  host.start();
  await world.run(1_000);
  assert.ok(admits(small));
  await world.run(lease - world.clock.now() + 3_000);
  assert.equal(host.plane.hash, null);
});

test('a host whose clock was set back does not open its stored state, and reports it', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  await world.run(60_000);
  host.kill();
  await world.drive(world.controller.stop());
  host.skewMs = -2 * hour;
  host.start();
  await world.run(60_000);
  assert.equal(host.plane.hash, null);
  await world.controller.start();
  await statusIs(small, 'ONLINE');
  assert.ok(admits(small));
  const warnings = world.controller.log.map(({ text }) => text);
  assert.ok(
    warnings.some((text) => /clock of an agent's host is wrong/.test(text)),
    warnings.join(),
  );
});
