import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whyNoNamespaces } from '@sallyport/testkit';
import { networkText, World } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

test('a device enrols and reaches its resource, and down restores the host', { skip }, async (t) => {
  const world = await World.create(t);
  const before = await networkText(world.device.namespace);
  await world.up();
  const status = await world.is(
    'the way to both gateways',
    ({ gateways }) => gateways.length === 2 && gateways.every(({ path }) => path === 'direct'),
  );
  assert.equal(status.enrolled, true);
  assert.deepEqual(
    status.routes.map(({ prefix, carrier }) => [prefix, carrier]),
    [['10.20.0.10/32', world.gateway(1).item().id]],
  );
  assert.deepEqual(status.resources, [{ id: 'wiki', name: 'wiki', denied: null, routes: ['10.20.0.10/32'] }]);
  const text = await world.command('down');
  assert.match(text, /the daemon[\s\S]*interface/);
  assert.equal(await networkText(world.device.namespace), before);
  assert.equal(await world.command('down'), 'Nothing to undo.\n');
});

test('a device that changes its interface removes the old one', { skip }, async (t) => {
  const world = await World.create(t);
  await world.up();
  await world.is('everything to be in force', ({ current }) => current);
  await world.daemon.kill('SIGTERM');
  const other = `spx${world.tag}`;
  world.startDaemon(['--interface', other], '\n');
  await world.is('the other interface', (status) => status.interface === other && status.current);
  await world.reaches();
  const text = await networkText(world.device.namespace);
  assert.ok(!text.includes(world.interface), text);
  assert.ok(text.includes(other));
});
