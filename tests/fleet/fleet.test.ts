import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cleanup } from '@sallyport/testkit';
import { Fleet } from '../../bench/fleet/fleet.ts';

const size = { gateways: 5, devices: 995 };

test('1,000 agents get every change that concerns them and no other frame, also after kill -9', {
  timeout: 340_000,
}, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  // The simulated agents check all signatures and hashes, and that deltas follow one another.
  const fleet = await Fleet.start(cleanup, size, true);
  const frames = async () => (await fleet.simulators.report()).frames;

  await fleet.changeOne();
  for (let i = 0; i < 3; i++) {
    await fleet.changeOne();
    assert.deepEqual(await frames(), { delta: 2 }, 'one gateway and one device');
  }
  for (let i = 0; i < 2; i++) {
    await fleet.toggle();
    assert.deepEqual(await frames(), { delta: size.gateways + size.devices });
  }

  await fleet.simulators.mark();
  await fleet.controller.crash();
  await fleet.simulators.settled(patience);
  const { welcome = 0, snapshot = 0 } = await frames();
  assert.ok(welcome >= size.gateways + size.devices);
  assert.equal(snapshot, welcome);
  await fleet.toggle();
  const { delta } = await frames();
  assert.equal(delta, size.gateways + size.devices);
});

/** Only a failing test waits so long. */
const patience = 120_000;
