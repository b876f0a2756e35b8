import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';

const skip = whyNoNamespaces() ?? false;

test('a gateway works with its own network in the overlay’s address space', { skip }, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const [gateway, visitor] = await Promise.all([s.world.host('gateway'), s.world.host('visitor')]);
  const [own, others] = [s.world.space('gateway'), s.world.space('visitor')];
  const printer = await s.world.host('printer');
  await printer.listenTcp(80);
  await gateway.listenTcp(22);
  const resources = [await s.resource('printer', ['10.20.0.11'], ['TCP 80'])];
  const laptop = await s.controller.addDevice('laptop');
  await s.policy('p', { allDevices: true, resources });
  const device = await s.deviceUp('laptop', laptop);
  await until('the printer', async () => (await device.tcp('10.20.0.11', 80)) === 'ok');

  await t.test('provider services in the overlay’s address space stay reachable for the gateway', async () => {
    await own.ip('addr', 'add', '100.100.0.2/20', 'dev', 'wan0');
    await others.ip('addr', 'add', '100.100.0.1/20', 'dev', 'wan0');
    await others.ip('addr', 'add', '100.100.200.1/32', 'dev', 'lo');
    await own.ip('route', 'add', '100.100.200.1/32', 'via', '203.0.113.40');
    await visitor.listenUdp(53, '100.100.200.1');
    assert.equal(await visitor.tcp('100.100.0.2', 22), 'ok', 'SSH');
    assert.equal(await gateway.udp('100.100.200.1', 53), 'ok', 'DNS by a route of its own');
    assert.equal(await device.tcp('10.20.0.11', 80), 'ok');
    await own.ip('addr', 'del', '100.100.0.2/20', 'dev', 'wan0');
  });

  await t.test(
    'an address conflict is reported, the host keeps its network, and the gateway recovers by itself',
    async () => {
      await others.ip('addr', 'add', '100.64.0.78/10', 'dev', 'wan0');
      await own.ip('addr', 'add', '100.64.0.77/10', 'dev', 'wan0');
      const { error = '' } = await s.controller.gatewayIs(s.gatewayId, 'ERROR');
      assert.match(error, /the network 100\.64\.0\.0\/10 on wan0 has addresses of the overlay .*SALLYPORT_OVERLAY/s);
      assert.equal(await visitor.tcp('100.64.0.77', 22), 'ok', 'SSH');
      assert.notEqual(await device.tcp('10.20.0.11', 80, { timeoutMs: 700 }), 'ok');
      await own.ip('addr', 'del', '100.64.0.77/10', 'dev', 'wan0');
      await s.online();
      await until('the printer', async () => (await device.tcp('10.20.0.11', 80)) === 'ok');
    },
  );
});
