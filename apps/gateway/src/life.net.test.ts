import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { lastHeard, serverAddress, serverAddress6, traces, World } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

test('the life of a gateway, from enrolment to deletion', { skip }, async (t) => {
  const world = await World.create();
  t.after(() => world.cleanup.run());
  const { controller, device, gateway } = world;
  await controller.change(world.items());

  await t.test('enrols, applies and reports; only allowed traffic passes', async () => {
    world.startAgent();
    await world.applied();
    await world.deviceUp();
    await until('the tunnel', async () => (await device.ping(serverAddress)) === 'ok');
    assert.equal(await device.tcp(serverAddress, 80), 'ok');
    assert.equal(await device.tcp(serverAddress6, 80), 'ok');
    assert.equal(await device.tcp(serverAddress, 81, { timeoutMs: 500 }), 'timeout');
    assert.equal(await device.udp(serverAddress, 80, { timeoutMs: 500 }), 'timeout');
    assert.equal(await device.tcp('10.20.0.1', 22, { timeoutMs: 500 }), 'timeout');
    const heartbeat = await until('a heartbeat with the device', async () => {
      const last = await lastHeard(controller, 'heartbeat');
      return last.policies.some(({ packets }) => packets > 0) && last;
    });
    assert.equal(heartbeat.hash, (await controller.state()).hash);
    assert.ok((heartbeat.dropped.denied_in ?? 0) > 0);
  });

  await t.test('does not turn its host into a router for others', async () => {
    const { namespace } = world.server;
    await namespace.ip('route', 'add', '192.0.2.0/24', 'via', '10.20.0.1');
    await until('a packet to be dropped', async () => {
      assert.notEqual(await world.server.ping('192.0.2.2'), 'ok');
      return ((await lastHeard(controller, 'heartbeat')).dropped.transit ?? 0) > 0;
    });
    await namespace.ip('route', 'del', '192.0.2.0/24');
  });

  await t.test('refuses an upgrade that its host does not allow', async () => {
    assert.equal((await lastHeard(controller, 'authenticate')).upgrades, undefined);
    const request = crypto.randomUUID();
    await controller.call({ op: 'say', message: { type: 'upgrade', request, version: '9.0.0' } });
    const { type, ...answer } = await lastHeard(controller, 'upgrading');
    assert.deepEqual(answer, { request, state: 'failed', reason: 'This host does not allow upgrades' });
  });

  await t.test('revoking a grant ends an established flow', async () => {
    await device.startStream('s', serverAddress, 80);
    await until('echoes', async () => (await device.stream('s')).received > 5);
    await controller.change([world.deviceItem({ profile: null })]);
    await world.applied();
    const { received } = await device.stream('s');
    await until('silence', async () => (await device.stream('s')).silentMs > 500);
    assert.ok((await device.stopStream('s')).received <= received + 2);
    await controller.change([world.deviceItem()]);
    await world.applied();
    assert.equal(await device.tcp(serverAddress, 80), 'ok');
  });

  await t.test('kill -9 and a new agent without the token lose no packet, and no peer is replaced', async () => {
    await device.startStream('s', serverAddress, 80, 10);
    await world.agent.kill('SIGKILL');
    const { received } = await device.stream('s');
    await until('echoes without an agent', async () => (await device.stream('s')).received > received + 20);
    world.startAgent([], '\n');
    await until('the new agent', async () => (await controller.state()).connections === 1);
    const before = (await controller.heard()).length;
    await until('it to be in order', async () =>
      (await controller.heard()).slice(before).some((message) => message.type === 'heartbeat' && message.hash !== null),
    );
    const stream = await device.stopStream('s');
    assert.equal(stream.received, stream.sent);
    assert.ok(!world.agent.output.includes('sgw_'));
  });

  await t.test('a flushed ruleset closes access, and is restored', async () => {
    await gateway.exec('nft', 'flush', 'ruleset');
    await world.agent.says(/are reverted/);
    await until('the tunnel', async () => (await device.tcp(serverAddress, 80, { timeoutMs: 500 })) === 'ok');
  });

  await t.test('a second agent is refused with the process id of the first', async () => {
    const error = await world.command('run', '--controller', 'http://127.0.0.1:7000').catch((error: Error) => error);
    assert.match(String(error), new RegExp(`process id ${world.agent.child.pid}`));
  });

  await t.test('status reports the state', async () => {
    const status = JSON.parse(await world.command('status', '--json'));
    assert.equal(status.running, true);
    assert.equal(status.phase, 'live');
    assert.equal(status.applied.hash, (await controller.state()).hash);
  });

  await t.test('deletion undoes everything', async () => {
    assert.notDeepEqual(await traces(gateway, world.interface), []);
    await controller.call({
      op: 'say',
      message: { type: 'refused', code: 'deleted', message: 'This gateway was deleted', final: true },
    });
    await until('the agent to end', () => !world.agent.running);
    assert.equal(world.agent.child.exitCode, 0, world.agent.output);
    assert.deepEqual(await traces(gateway, world.interface), []);
    assert.equal((await gateway.exec('sysctl', '-n', 'net.ipv4.ip_forward')).trim(), '0');
    assert.match(await world.command('down'), /Nothing to undo/);
  });
});
