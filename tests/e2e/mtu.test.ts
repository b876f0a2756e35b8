import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';

test('a path MTU error reaches the device', { skip: whyNoNamespaces() ?? false }, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const resource = await s.resource('web', ['10.20.0.10'], ['ICMP']);
  const laptop = await s.controller.addDevice('laptop');
  await s.policy('laptop to web', { devices: [laptop.id], resources: [resource] });
  const device = await s.deviceUp('laptop', laptop);
  await until('the tunnel', async () => (await device.ping('10.20.0.10')) === 'ok');
  const large = () => device.ping('10.20.0.10', { size: 1232, dontFragment: true });
  assert.equal(await large(), 'ok', 'the tunnel itself carries 1260 bytes');
  await s.world.space('gateway').ip('link', 'set', 'lan0', 'mtu', '1200');
  const told = await until('the error', async () => {
    const answer = await large();
    return /mtu ?= ?1200/i.test(answer) ? answer : null;
  });
  assert.match(told, /frag needed|too long/i);
  assert.equal(await device.ping('10.20.0.10', { size: 1100, dontFragment: true }), 'ok');
});
