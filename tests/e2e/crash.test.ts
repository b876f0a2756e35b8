import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';

const skip = whyNoNamespaces() ?? false;

test('killing processes of Sallyport under traffic loses no packet', { skip }, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const web = await s.world.host('web');
  await web.listenTcp(7000);
  await web.listenUdp(7001);
  const resource = await s.resource('web', ['10.20.0.10'], ['TCP 7000', 'UDP 7001', 'ICMP']);
  const laptop = await s.controller.addDevice('laptop');
  await s.policy('laptop to web', { devices: [laptop.id], resources: [resource] });
  const device = await s.deviceUp('laptop', laptop);
  await until('the tunnel', async () => (await device.ping('10.20.0.10')) === 'ok');

  const lossless = async (what: () => Promise<void>) => {
    await device.startDatagrams('datagrams', '10.20.0.10', 7001, 10);
    await device.startStream('stream', '10.20.0.10', 7000, 10);
    await until('traffic', async () => (await device.stream('datagrams')).received > 20);
    await what();
    const { received } = await device.stream('datagrams');
    await until('traffic after it', async () => (await device.stream('datagrams')).received > received + 20);
    const datagrams = await device.stopStream('datagrams');
    const stream = await device.stopStream('stream');
    assert.equal(datagrams.received, datagrams.sent, 'datagrams lost');
    assert.equal(stream.received, stream.sent, 'lines lost');
    assert.equal(stream.open, true);
  };

  await t.test('kill -9 of the agent, and its return', () =>
    lossless(async () => {
      await s.gateway.daemon.kill('SIGKILL');
      await s.controller.gatewayIs(s.gatewayId, 'OFFLINE', 40_000);
      s.gateway.start(s.controller, s.token);
      await s.online();
    }),
  );

  await t.test('kill -9 of the controller, and its return', () =>
    lossless(async () => {
      await s.controller.daemon.kill('SIGKILL');
      await s.controller.start();
      await s.online();
    }),
  );

  await t.test('the agent starts cold from its last good state while the controller is away', async () => {
    await s.controller.daemon.kill('SIGKILL');
    await s.gateway.daemon.kill('SIGKILL');
    await s.world.space('gateway').nft(`delete table inet sallyport_${s.gateway.interface}`);
    assert.notEqual(
      await device.ping('10.20.0.10', { timeoutMs: 500 }),
      'ok',
      'without the table the tunnel is closed',
    );
    s.gateway.start(s.controller, s.token);
    await until('the tunnel to be back', async () => (await device.ping('10.20.0.10', { timeoutMs: 500 })) === 'ok', {
      timeoutMs: 30_000,
    });
    await s.controller.start();
    await s.online();
  });

  await t.test('kill -9 of the userspace WireGuard process: the agent brings the tunnel back', async (part) => {
    const link = await s.world.space('gateway').ip('-d', 'link', 'show', s.gateway.interface);
    if (/^\s+wireguard\b/m.test(link)) return part.skip('WireGuard runs in the kernel here');
    const pids = (
      await s.world
        .space('gateway')
        .exec('pgrep', '-f', `wireguard-go.*${s.gateway.interface}`)
        .catch(() => '')
    ).trim();
    assert.notEqual(pids, '', 'wireguard-go runs');
    for (const pid of pids.split('\n')) process.kill(Number(pid), 'SIGKILL');
    await until('the device to be back', async () => (await device.ping('10.20.0.10', { timeoutMs: 500 })) === 'ok', {
      timeoutMs: 60_000,
    });
  });
});
