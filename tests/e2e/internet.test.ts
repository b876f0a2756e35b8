import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cable, type Host, until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';
import { publicGateway, publicServer } from '../lab/small-internet.ts';

const skip = whyNoNamespaces() ?? false;
const everywhere = [...publicServer.near, ...publicServer.far];

test('internet policies work in the modes LOCAL, INTERNET_ACCESS_POINT and RESTRICTED', { skip }, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const [web, printer, server] = await Promise.all([
    s.world.host('web'),
    s.world.host('printer'),
    s.world.host('server'),
  ]);
  for (const host of [web, printer, server]) await host.listenTcp(80);
  // Each check has its own address; otherwise answers would come from the server nearest to the gateway.
  for (const address of everywhere) await server.listenUdp(5353, address);
  const resource = await s.resource('web', ['10.20.0.10', 'fd20::10'], ['TCP 80']);
  const laptop = await s.controller.addDevice('laptop');
  const visitor = await s.controller.addDevice('visitor');
  await s.policy('both to web', { devices: [laptop.id, visitor.id], resources: [resource] });

  await t.test('LOCAL: the device keeps its own internet access, and the gateway forwards none', async () => {
    await s.converged();
    const configuration = await s.controller.deviceConfiguration(laptop);
    assert.doesNotMatch(configuration, /0\.0\.0\.0\/0|::\/0/);
    const greedy = (text: string) => text.replace(/AllowedIPs = .*/, 'AllowedIPs = 10.0.0.0/8, 11.0.0.0/8, 2a00::/16');
    const device = await s.deviceUp('laptop', laptop, greedy);
    await until('the tunnel', async () => (await device.tcp('10.20.0.10', 80)) === 'ok');
    for (const address of publicServer.near) await reachesNothing(device, address);
    await s.world.space('laptop').ip('link', 'del', s.world.interfaceName('laptop'));
  });

  await t.test(
    'INTERNET_ACCESS_POINT: the exported configuration routes everything except local networks through the gateway',
    async () => {
      await s.policy('laptop through the office', {
        type: 'INTERNET',
        mode: 'INTERNET_ACCESS_POINT',
        devices: [laptop.id],
        gateways: [s.gatewayId],
      });
      await s.converged();
      assert.match(await s.controller.deviceConfiguration(laptop), /AllowedIPs = .*0\.0\.0\.0\/0.*::\/0/);
      const device = await s.deviceUp('laptop', laptop);
      await until('the tunnel', async () => (await device.tcp('10.20.0.10', 80)) === 'ok');
      for (const address of publicServer.far) {
        assert.equal(await device.tcp(address, 80), 'ok', address);
        assert.equal(await device.udp(address, 5353), 'ok', address);
        assert.equal(await device.ping(address), 'ok', address);
      }
      for (const address of [...publicServer.near, ...publicGateway]) await reachesNothing(device, address);
      await device.startStream('far', publicServer.far[0], 80);
      const sockets = await s.world.space('server').exec('ss', '-tnH', 'state', 'established');
      assert.ok(sockets.includes(publicGateway[0]) && !sockets.includes(laptop.addresses[0] ?? '?'), sockets);
    },
  );

  await t.test('policies of a resource decide its addresses, and private addresses stay closed', async () => {
    const device = await s.world.host('laptop');
    assert.notEqual(await device.tcp('10.20.0.11', 80, { timeoutMs: 700 }), 'ok');
    assert.notEqual(await device.tcp('203.0.113.10', 8080, { timeoutMs: 700 }), 'ok');
    const [kept, covered] = publicServer.far;
    await s.resource('covered', [covered], ['TCP 9']);
    await s.converged();
    await until('the hole', async () => (await device.tcp(covered, 80, { timeoutMs: 500 })) !== 'ok');
    assert.equal(await device.tcp(kept, 80), 'ok');
    const [near] = publicServer.near;
    const named = await s.resource('named', [near], ['TCP 80']);
    await s.policy('laptop to what is named', { devices: [laptop.id], resources: [named] });
    await s.converged();
    await until('a network at the gateway that a resource names', async () => (await device.tcp(near, 80)) === 'ok');
  });

  await t.test('a network that the gateway joins is excluded from the internet until it leaves', async () => {
    const device = await s.world.host('laptop');
    const neighbour = '12.1.2.10';
    await s.world.space('server').ip('addr', 'add', neighbour, 'dev', 'lo');
    assert.equal(await device.tcp(neighbour, 80), 'ok');
    await s.world.space('gateway').ip('addr', 'add', '12.1.2.1/24', 'dev', 'pub0');
    await until('it to close', async () => (await device.tcp(neighbour, 80, { timeoutMs: 500 })) !== 'ok');
    await s.world.space('gateway').ip('addr', 'del', '12.1.2.1/24', 'dev', 'pub0');
    await until('it to open', async () => (await device.tcp(neighbour, 80, { timeoutMs: 500 })) === 'ok');
  });

  await t.test('the stream through the access point ends when the policy becomes RESTRICTED', async () => {
    const device = await s.world.host('laptop');
    const policies = await s.controller.call('listPolicies');
    const policy = policies.find(({ type, isDefault }) => type === 'INTERNET' && !isDefault);
    assert.ok(policy);
    assert.ok((await device.stream('far')).silentMs < 1000);
    await s.controller.call('updatePolicy', {
      params: { id: policy.id },
      body: {
        name: 'none for the laptop',
        action: true,
        mode: 'RESTRICTED',
        gateways: null,
        rule: policy.rule?.id ?? '',
        allGroups: false,
        allUsers: false,
        allDevices: false,
        allResources: false,
      },
    });
    await until('silence', async () => (await device.stream('far')).silentMs > 1000);
    for (const address of publicServer.far) await reachesNothing(device, address);
    assert.equal(await device.tcp('10.20.0.10', 80), 'ok', 'resources stay in reach');
  });

  await t.test('RESTRICTED: the tunnel blocks the device’s own internet access', async () => {
    const [address] = publicServer.near;
    await cable(
      { namespace: s.world.space('visitor'), interface: 'own0', addresses: ['198.51.100.2/24'] },
      { namespace: s.world.space('server'), interface: 'own0', addresses: ['198.51.100.1/24'] },
    );
    await s.world.space('visitor').ip('route', 'add', 'default', 'via', '198.51.100.1');
    const own = await s.world.host('visitor');
    assert.equal(await own.tcp(address, 80), 'ok', 'before');
    await s.policy('none for the visitor', { type: 'INTERNET', mode: 'RESTRICTED', devices: [visitor.id] });
    await s.converged();
    assert.match(await s.controller.deviceConfiguration(visitor), /AllowedIPs = .*0\.0\.0\.0\/0.*::\/0/);
    const device = await s.deviceUp('visitor', visitor);
    await until('the tunnel', async () => (await device.tcp('10.20.0.10', 80)) === 'ok');
    for (const public_ of everywhere) await reachesNothing(device, public_);
  });
});

async function reachesNothing(device: Host, address: string): Promise<void> {
  const [tcp, udp, ping] = await Promise.all([
    device.tcp(address, 80, { timeoutMs: 700 }),
    device.udp(address, 5353, { timeoutMs: 500 }),
    device.ping(address, { timeoutMs: 500 }),
  ]);
  for (const answer of [tcp, udp, ping]) assert.notEqual(answer, 'ok', address);
}
