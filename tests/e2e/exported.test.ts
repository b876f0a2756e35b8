import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';
import { wgQuickUp } from '../lab/system.ts';

const skip = whyNoNamespaces() ?? false;

test('a resource that covers the gateway’s endpoint causes no routing loop', { skip }, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const [printer, visitor] = await Promise.all([s.world.host('printer'), s.world.host('visitor')]);
  await printer.listenTcp(80);
  await visitor.listenTcp(80);
  const resources = [
    await s.resource('printer', ['10.20.0.11'], ['TCP 80']),
    await s.resource('dmz', ['203.0.113.0/24'], ['TCP 80']),
  ];
  const laptop = await s.controller.addDevice('laptop');
  await s.policy('p', { allDevices: true, resources });
  const device = await s.deviceUp('laptop', laptop);
  const space = s.world.space('laptop');
  await until('the printer through the tunnel', async () => (await device.tcp('10.20.0.11', 80)) === 'ok');
  assert.equal(await device.tcp('203.0.113.40', 80), 'ok', 'the rest of the network that holds the endpoint');
  const name = s.world.interfaceName('laptop');
  assert.match(await space.ip('route', 'get', '203.0.113.40'), new RegExp(`dev ${name}`));
  assert.doesNotMatch(await space.ip('route', 'get', '203.0.113.20'), new RegExp(`dev ${name}`));
  const sent = (await space.exec('wg', 'show', name, 'transfer')).trim().split('\t')[2];
  assert.ok(Number(sent) < 1_000_000, `sent ${sent} bytes`);
});

test('a host without IPv6 starts a configuration exported without IPv6', { skip }, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const printer = await s.world.host('printer');
  await printer.listenTcp(80);
  const resources = [await s.resource('printer', ['10.20.0.11', 'fd20::11'], ['TCP 80'])];
  const laptop = await s.controller.addDevice('laptop');
  await s.policy('p', { allDevices: true, resources });
  await s.converged();
  for (const which of ['all', 'default'])
    await s.world.space('laptop').sysctl(`net.ipv6.conf.${which}.disable_ipv6`, 1);
  await assert.rejects(
    wgQuickUp(s.world, 'laptop', await s.controller.deviceConfiguration(laptop)),
    /IPv6|RTNETLINK|denied/,
  );
  await wgQuickUp(s.world, 'laptop', await s.controller.deviceConfiguration(laptop, '?ipv6=false'));
  const device = await s.world.host('laptop');
  await until('the printer through the tunnel', async () => (await device.tcp('10.20.0.11', 80)) === 'ok');
});
