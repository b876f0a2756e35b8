import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routeItem } from '@sallyport/agent-core/testing';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { publicAddress, serverAddress, World } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

test('a route moves to the next gateway when its gateway is cut off, and back', { skip }, async (t) => {
  const world = await World.create(t);
  await world.up();
  const [first, second] = [world.gateway(1).item().id, world.gateway(2).item().id];
  await world.is('both paths', ({ gateways }) => gateways.every(({ path }) => path === 'direct'));
  const began = performance.now();
  await world.switch.ip('link', 'set', 'gw1', 'nomaster');
  await world.is('the second gateway to carry', ({ routes }) => routes[0]?.carrier === second);
  await world.reaches();
  t.diagnostic(`moved within ${Math.round(performance.now() - began)} ms`);
  await world.switch.ip('link', 'set', 'gw1', 'master', 'br0');
  await world.is('the first one to carry again', ({ routes }) => routes[0]?.carrier === first, 30_000);
  await world.reaches();
});

test('a device that moves to another network recovers', { skip }, async (t) => {
  const world = await World.create(t);
  await world.controller.change(world.items());
  world.startDaemon(['--log-level', 'debug']);
  await world.admitted();
  await world.reaches();
  const { namespace } = world.device;
  await world.is('both paths', ({ gateways }) => gateways.every(({ path }) => path === 'direct'));
  const began = performance.now();
  await namespace.ip('addr', 'add', '192.0.2.77/24', 'dev', 'eth0');
  await namespace.ip('addr', 'del', '192.0.2.2/24', 'dev', 'eth0');
  await namespace.ip('addr', 'replace', '192.0.2.77/24', 'dev', 'eth0');
  await until('an answer from the new address', () => world.answers(), { everyMs: 10 });
  t.diagnostic(`healed within ${Math.round(performance.now() - began)} ms`);
  await until('the connection from the old address to be left', () =>
    world.daemon.output.includes('this host has another address now'),
  );
  await world.is('the controller to be connected again', ({ controller }) => controller.connected);
});

test('a full tunnel carries everything except itself and the local network', { skip }, async (t) => {
  const world = await World.create(t);
  await world.up();
  assert.equal(await world.answers(publicAddress), false, 'split tunnel');
  await world.controller.change([routeItem('0.0.0.0/0', [1])]);
  await world.reaches(publicAddress);
  await world.reaches(serverAddress);
  assert.notEqual(
    await world.device.tcp('192.0.2.10', 7000, { timeoutMs: 500 }),
    'timeout',
    'the neighbour is reached',
  );
  const { wireguardPublicKey } = await lastAuthentication(world);
  const quiet = await world.gateway(1).transfer(wireguardPublicKey);
  await world.reaches(publicAddress);
  const grown = (await world.gateway(1).transfer(wireguardPublicKey)) - quiet;
  assert.ok(grown < 100_000, `a few packets became ${grown} bytes`);
  await world.controller.change([], ['route/0.0.0.0/0']);
  await until('the split tunnel to be back', async () => !(await world.answers(publicAddress)));
  await world.reaches(serverAddress);
});

test('a dead full tunnel does not block the controller, which alone can restore it', {
  skip,
}, async (t) => {
  const world = await World.create(t);
  // Only the default route leads to the controller. Without the exception it would lead through the tunnel.
  const { namespace } = world.device;
  await namespace.ip('addr', 'del', '192.0.2.2/24', 'dev', 'eth0');
  await namespace.ip('addr', 'add', '192.0.2.2/32', 'dev', 'eth0');
  for (const one of ['192.0.2.11', '192.0.2.12']) await namespace.ip('route', 'add', one, 'dev', 'eth0');
  await world.switch.ip('addr', 'add', '192.0.2.1/24', 'dev', 'br0');
  await world.switch.sysctl('net.ipv4.ip_forward', 1);
  await namespace.ip('route', 'add', 'default', 'via', '192.0.2.1', 'onlink', 'dev', 'eth0');
  await world.up();
  await world.is('both paths', ({ gateways }) => gateways.every(({ path }) => path === 'direct'));
  await world.controller.change([routeItem('0.0.0.0/0', [1])]);
  await world.reaches(publicAddress);
  await world.switch.ip('link', 'set', 'gw1', 'nomaster');
  await world.is('the tunnel to be lost', ({ gateways }) => gateways.some(({ path }) => path === 'lost'));
  assert.equal(await world.answers(publicAddress), false);
  await world.controller.call({ op: 'drop' });
  await world.is('the connection to be lost', ({ controller }) => !controller.connected);
  await world.is('the controller to be reached again', ({ controller }) => controller.connected);
  await world.controller.change([routeItem('0.0.0.0/0', [2])]);
  await world.reaches(publicAddress);
});

async function lastAuthentication(world: World) {
  const message = (await world.controller.heard()).findLast(({ type }) => type === 'authenticate');
  if (message?.type !== 'authenticate') throw new Error('it never authenticated');
  return message;
}
