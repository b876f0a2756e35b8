import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';

const branch = '172.30.0.5';

/** The laptop plays the router of the branch; the test configures the path between gateways itself. */
test('a site reaches exactly what its policy allows', { skip: whyNoNamespaces() ?? false }, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const [web, printer] = await Promise.all([s.world.host('web'), s.world.host('printer')]);
  for (const host of [web, printer]) {
    await host.listenTcp(80);
    await host.listenTcp(81);
  }
  const page = await s.resource('web', ['10.20.0.10'], ['TCP 80']);
  const paper = await s.resource('printer', ['10.20.0.11'], ['TCP 80']);
  const laptop = await s.controller.addDevice('laptop');
  await s.policy('laptop to printer', { devices: [laptop.id], resources: [paper] });
  const policy = await s.policy('branch to web', {
    type: 'SITETOSITE',
    sourceIps: ['172.30.0.0/16', '100.0.0.0/8'],
    gateways: [s.gatewayId],
    resources: [page],
  });
  const device = await s.deviceUp('laptop', laptop, (text) =>
    text.replace(/AllowedIPs = .*/, 'AllowedIPs = 10.20.0.0/24'),
  );
  await until('the tunnel', async () => (await device.tcp('10.20.0.11', 80)) === 'ok');
  await layPath(s, laptop.addresses[0] ?? '');

  const from = { from: branch, timeoutMs: 700 };
  assert.equal(await device.tcp('10.20.0.10', 80, from), 'ok');
  assert.notEqual(await device.tcp('10.20.0.10', 81, from), 'ok', 'another port');
  assert.notEqual(await device.tcp('10.20.0.11', 80, from), 'ok', 'what is the laptop’s');
  assert.notEqual(await device.tcp('10.20.0.10', 80, { timeoutMs: 700 }), 'ok', 'the overlay is in no site');
  assert.equal(await device.tcp('10.20.0.11', 80), 'ok');

  await s.controller.call('deletePolicy', { params: { id: policy } });
  await s.converged();
  assert.notEqual(await device.tcp('10.20.0.10', 80, from), 'ok', 'the policy is gone');
});

async function layPath(s: Scenario, address: string): Promise<void> {
  const [gateway, laptop] = [s.world.space('gateway'), s.world.space('laptop')];
  const { interface: tunnel } = s.gateway;
  await laptop.ip('addr', 'add', `${branch}/32`, 'dev', s.world.interfaceName('laptop'));
  const peers = (await gateway.exec('wg', 'show', tunnel, 'allowed-ips')).trim().split('\n');
  // Beacons have no allowed IPs, and the agent's own probes are a peer too.
  const [peer, allowed] = peers.map((line) => line.split('\t')).find(([, ips]) => ips?.includes(`${address}/32`)) ?? [];
  assert.ok(peer && allowed);
  await gateway.exec('wg', 'set', tunnel, 'peer', peer, 'allowed-ips', `${allowed.replaceAll(' ', ',')},${branch}/32`);
  await gateway.ip('route', 'add', '172.30.0.0/16', 'dev', tunnel);
}
