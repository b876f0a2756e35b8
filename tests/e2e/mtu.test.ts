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

test('a changed MTU of tenant or gateway applies at once and in configurations', {
  skip: whyNoNamespaces() ?? false,
}, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const resource = await s.resource('web', ['10.20.0.10'], ['ICMP']);
  const laptop = await s.controller.addDevice('laptop');
  await s.policy('laptop to web', { devices: [laptop.id], resources: [resource] });
  const device = await s.deviceUp('laptop', laptop);
  await until('the tunnel', async () => (await device.ping('10.20.0.10')) === 'ok');
  const { name } = await s.controller.call('getTenant');
  const params = { id: s.gatewayId };
  const gateway = { name: 'office', wireguardPort: '51820' };
  const becomes = async (mtu: number) => {
    await until(`an MTU of ${mtu}`, async () =>
      (await s.world.space('gateway').ip('link', 'show', s.gateway.interface)).includes(`mtu ${mtu} `),
    );
    await s.online();
    await until('the tunnel', async () => (await device.ping('10.20.0.10')) === 'ok');
    assert.match(await s.controller.deviceConfiguration(laptop), new RegExp(`^MTU = ${mtu}$`, 'm'));
  };
  await s.controller.call('updateTenant', { body: { name, mtu: 1400 } });
  await becomes(1400);
  await s.controller.call('updateGateway', { params, body: { ...gateway, mtu: 1200 } });
  await becomes(1200);
  assert.doesNotMatch(await s.world.space('gateway').ip('-6', 'address', 'show', s.gateway.interface), /fd00/);
  await s.controller.call('updateGateway', { params, body: { ...gateway, mtu: null } });
  await becomes(1400);
  assert.match(await s.world.space('gateway').ip('-6', 'address', 'show', s.gateway.interface), /inet6 fd/);
});
