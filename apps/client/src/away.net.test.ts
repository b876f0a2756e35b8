import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { holds, until, whyNoNamespaces } from '@sallyport/testkit';
import { networkText, serverAddress, World } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

test('kill -9 of the daemon and its restart lose no packet', { skip }, async (t) => {
  const world = await World.create(t);
  await world.up();
  await world.is(
    'everything to be in force',
    ({ current, gateways }) => current && gateways.every(({ path }) => path === 'direct'),
  );
  const { device } = world;
  await device.startDatagrams('datagrams', serverAddress, 81, 10);
  await device.startStream('stream', serverAddress, 80, 10);
  const passes = async (more: number) => {
    const { received } = await device.stream('datagrams');
    await until('traffic', async () => (await device.stream('datagrams')).received > received + more);
  };
  await passes(20);
  await world.daemon.kill('SIGKILL');
  await passes(50);
  world.startDaemon([], '\n');
  await world.is('the new daemon', ({ current, controller }) => current && controller.connected);
  await world.is('its paths', ({ gateways }) => gateways.every(({ path }) => path === 'direct'));
  await passes(50);
  await world.daemon.kill('SIGTERM');
  await passes(20);
  const [datagrams, stream] = [await device.stopStream('datagrams'), await device.stopStream('stream')];
  assert.equal(datagrams.received, datagrams.sent, 'datagrams lost');
  assert.equal(stream.received, stream.sent, 'lines lost');
});

test('a daemon that is asked to start again keeps its process id and its tunnels, and loses no packet', {
  skip,
}, async (t) => {
  const world = await World.create(t);
  await world.up();
  await world.is(
    'everything to be in force',
    ({ current, gateways }) => current && gateways.every(({ path }) => path === 'direct'),
  );
  const { device, daemon } = world;
  await device.startDatagrams('datagrams', serverAddress, 81, 10);
  daemon.child.kill('SIGUSR2');
  await daemon.says(/starting again[\s\S]*"message":"starting"/);
  const status = await world.is('the new daemon', ({ current, controller }) => current && controller.connected);
  assert.equal(status.pid, daemon.child.pid);
  const { received } = await device.stream('datagrams');
  await until('traffic', async () => (await device.stream('datagrams')).received > received + 50);
  const datagrams = await device.stopStream('datagrams');
  assert.equal(datagrams.received, datagrams.sent, 'datagrams lost');
});

test('a device without its controller starts from its stored state until the lease ends', { skip }, async (t) => {
  const world = await World.create(t);
  await world.up();
  await world.controller.call({ op: 'lease', leaseMs: 12_000 });
  await until('the lease to be stored', async () => {
    const stored = JSON.parse(await readFile(join(world.stateDir, 'state.json'), 'utf8'));
    return stored.snapshot.signed.statement.leaseUntil < Date.now() + 12_500;
  });
  await world.controller.kill();
  await world.daemon.kill('SIGKILL');
  // As after a boot: only the files on disk are left of the tunnel.
  await world.device.namespace.ip('link', 'del', world.interface);
  assert.equal(await world.answers(), false);
  world.startDaemon([], '\n');
  await world.reaches();
  const { controller } = await world.status();
  assert.equal(controller.connected, false);
  await until('the lease to end', async () => !(await world.answers()));
  await until('no peer to be left', async () => {
    return (await world.device.namespace.exec('wg', 'show', world.interface, 'peers')).trim() === '';
  });
  const routes = await world.device.namespace.ip('route', 'show', 'table', 'all');
  assert.ok(routes.includes(serverAddress), 'what was for the tunnel does not go around it');
  assert.match((await world.status()).error?.message ?? '', /lease/);
  assert.equal(await holds(async () => !(await world.answers()), 1_000), true);
});

test('a deleted device removes its tunnel', { skip }, async (t) => {
  const world = await World.create(t);
  const before = await networkText(world.device.namespace);
  await world.up();
  await world.controller.call({
    op: 'say',
    message: { type: 'refused', code: 'deleted', message: 'This device was deleted.', final: true },
  });
  await until('the daemon to end', () => !world.daemon.running);
  assert.equal(world.daemon.child.exitCode, 0, world.daemon.output);
  assert.equal(await networkText(world.device.namespace), before);
});
