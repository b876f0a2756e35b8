import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';
import { GatewayUnderTest } from '../lab/system.ts';

const skip = whyNoNamespaces() ?? false;

test('the life of a gateway', { skip }, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const space = s.world.space('gateway');
  const params = { id: s.gatewayId };
  const web = await s.world.host('web');
  await web.listenTcp(7000);
  const resource = await s.resource('web', ['10.20.0.10'], ['TCP 7000', 'ICMP']);
  const laptop = await s.controller.addDevice('laptop');
  await s.policy('laptop to web', { devices: [laptop.id], resources: [resource] });
  const device = await s.deviceUp('laptop', laptop);
  const reachable = () => device.tcp('10.20.0.10', 7000, { timeoutMs: 500 });
  await until('the tunnel', async () => (await reachable()) === 'ok');

  await t.test('a gateway is deployed once it has applied a state, and stays so', async () => {
    const gateway = await s.controller.call('getGateway', { params });
    assert.ok(gateway.deployedOn);
    assert.ok(gateway.lastOnline);
    assert.equal(gateway.autoDiscoverEndpoint, false);
    assert.deepEqual(
      gateway.resources?.map((r) => r.name),
      ['web'],
    );
  });

  await t.test('statistics report the connected device', async () => {
    const { statistics } = await until('a handshake in the statistics', async () => {
      const gateway = await s.controller.call('getGateway', { params });
      return gateway.statistics?.connectedDevices === 1 ? gateway : null;
    });
    assert.ok((statistics?.bytesIn ?? 0) > 0 && (statistics?.bytesOut ?? 0) > 0);
    assert.ok(statistics?.lastHandshake);
  });

  await t.test('test-configuration reports its checks and what it did not probe', async () => {
    const good = await s.controller.call('testGateway', { params });
    assert.equal(good.status, 'ONLINE', JSON.stringify(good));
    assert.match(good.details ?? '', /not probed/i);
    const dead = await s.resource('gone', ['10.20.0.99'], ['TCP 7000']);
    await s.converged();
    const bad = await s.controller.call('testGateway', { params });
    assert.match(`${bad.details} ${bad.error}`, /10\.20\.0\.99|gone/);
    await s.controller.call('deleteResource', { params: { id: dead } });
  });

  await t.test('PATCH of the port moves the listener', async () => {
    await s.controller.call('updateGateway', { params, body: { name: 'office', wireguardPort: '51999' } });
    await s.converged();
    assert.match(await space.exec('ss', '-uln'), /:51999\b/);
    assert.doesNotMatch(await space.exec('ss', '-uln'), /:51820\b/);
    await s.controller.call('updateGateway', { params, body: { name: 'office', wireguardPort: '51820' } });
    await s.converged();
    await until('the device to come back', async () => (await reachable()) === 'ok', { timeoutMs: 30_000 });
  });

  await t.test('a port in use is an ERROR with advice, and recovers without a restart', async () => {
    const host = await s.world.host('gateway');
    await host.listenUdp(51777, '0.0.0.0');
    await s.controller.call('updateGateway', { params, body: { name: 'office', wireguardPort: '51777' } });
    const broken = await s.controller.gatewayIs(s.gatewayId, 'ERROR');
    assert.match(broken.error ?? '', /51777/);
    await s.controller.call('updateGateway', { params, body: { name: 'office', wireguardPort: '51820' } });
    const healed = await s.controller.gatewayIs(s.gatewayId, 'ONLINE', 40_000);
    assert.equal(healed.error, undefined);
    await until('the device to come back', async () => (await reachable()) === 'ok', { timeoutMs: 30_000 });
  });

  await t.test('MAINTENANCE keeps flows and refuses new ones', async () => {
    await device.startStream('old', '10.20.0.10', 7000);
    await until('echoes', async () => (await device.stream('old')).received > 5);
    await s.controller.call('updateGateway', {
      params,
      body: { name: 'office', wireguardPort: '51820', status: 'MAINTENANCE' },
    });
    await s.controller.gatewayIs(s.gatewayId, 'MAINTENANCE');
    await s.converged();
    assert.notEqual(await reachable(), 'ok');
    const { received } = await device.stream('old');
    await until('the old flow to go on', async () => (await device.stream('old')).received > received + 5);
    await device.stopStream('old');
    await until(
      'safe to stop',
      async () => (await s.controller.call('getGateway', { params })).statistics?.safeToStop === true,
      { timeoutMs: 60_000 },
    );
  });

  await t.test('OFFLINE forwards nothing, and ONLINE restores everything', async () => {
    await s.controller.call('updateGateway', {
      params,
      body: { name: 'office', wireguardPort: '51820', status: 'OFFLINE' },
    });
    await s.controller.gatewayIs(s.gatewayId, 'OFFLINE');
    await s.converged();
    assert.notEqual(await device.ping('10.20.0.10', { timeoutMs: 500 }), 'ok');
    await s.controller.call('updateGateway', {
      params,
      body: { name: 'office', wireguardPort: '51820', status: 'ONLINE' },
    });
    await s.controller.gatewayIs(s.gatewayId, 'ONLINE');
    await until('back', async () => (await reachable()) === 'ok', { timeoutMs: 30_000 });
  });

  await t.test('a second agent with the same token is refused', async () => {
    const thief = await GatewayUnderTest.start(s.world, s.controller, s.token, 'visitor');
    await thief.daemon.says(/already/i);
    await s.controller.gatewayIs(s.gatewayId, 'ONLINE');
  });

  await t.test('DELETE removes the gateway’s data plane from its host', async () => {
    const plan = (await s.controller.dryRun('deleteGateway', { params })).changes;
    assert.ok(
      plan.some((change) => change.kind === 'resource'),
      JSON.stringify(plan),
    );
    await s.controller.call('deleteGateway', { params });
    await until(
      'the interface to go',
      async () => !(await space.exec('ip', '-o', 'link')).includes(s.gateway.interface),
    );
    await until('the agent to end', () => !s.gateway.daemon.running);
    for (const args of [
      ['nft', 'list', 'tables'],
      ['ip', 'rule'],
      ['ip', '-6', 'rule'],
      ['ip', 'route'],
      ['ip', '-6', 'route'],
    ]) {
      assert.doesNotMatch(
        await space.exec(args[0] ?? '', ...args.slice(1)),
        new RegExp(`${s.gateway.interface}|blackhole`),
        args.join(' '),
      );
    }
    assert.notEqual(await device.ping('10.20.0.10', { timeoutMs: 500 }), 'ok');
  });
});
