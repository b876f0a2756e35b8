import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Actor } from '../../apps/controller/src/db/store.ts';
import { admits, bringUp, openSmallWorld, type SmallWorld, statusIs } from './small-world.ts';

const operator: Actor = { kind: 'operator', id: null, name: 'operator' };

const rotate = ({ world }: SmallWorld) => world.drive(world.controller.rotation.rotate(operator));
const finish = ({ world }: SmallWorld) => world.drive(world.controller.rotation.finish(operator));
const look = ({ world }: SmallWorld) => world.drive(world.controller.rotation.status());

const follows = (small: SmallWorld, key: string | null) =>
  small.world.until('the agent follows', () => small.host.live && small.host.disk.controllerKey !== key);

test('a connected agent follows to a new signing key, and its data plane does not notice', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host, gateway } = small;
  await bringUp(small);
  const before = host.disk.controllerKey;
  const began = await rotate(small);
  assert.notEqual(began.current, began.earlier);
  await follows(small, before);
  assert.equal(host.disk.earlierControllerKey, before);
  assert.ok(admits(small));
  const status = await look(small);
  assert.deepEqual([status.agents, status.waiting], [{ followed: 1, waiting: 0 }, []]);
  const ended = await finish(small);
  assert.deepEqual([ended.current, ended.earlier], [began.current, null]);
  await world.run(5_000);
  assert.ok(host.live && host.log.filter((line) => /not the controller/.test(line)).length === 0);
  assert.equal(gateway.token.endsWith(String(began.earlier)), true);
});

test('an agent that was away during two rotations follows, also after the old keys are forgotten', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  const before = host.disk.controllerKey;
  await world.run(1_000);
  host.kill();
  for (const _ of [1, 2]) {
    await rotate(small);
    const { waiting } = await finish(small);
    assert.deepEqual(
      waiting.map(({ role, name }) => [role, name]),
      [['gateway', 'gateway']],
    );
  }
  host.start();
  await follows(small, before);
  await statusIs(small, 'ONLINE');
});

test('a token from before a rotation enrols during and after it', async (t) => {
  const small = await openSmallWorld(t);
  await rotate(small);
  await bringUp(small);
  const other = await small.world.ok(small.tenant, 'POST', '/tenants/gateways', { name: 'b', wireguardPort: '51821' });
  await finish(small);
  await rotate(small);
  await finish(small);
  const second = small.world.host(other.token);
  second.start();
  await small.world.until('the second enrols', () => second.live);
});

test('a controller that dies in a rotation goes on with it, and makes no third key', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  const before = host.disk.controllerKey;
  const began = await rotate(small);
  await world.drive(world.controller.kill());
  await world.controller.start();
  await follows(small, before);
  const again = await rotate(small);
  assert.deepEqual([again.current, again.earlier], [began.current, began.earlier]);
  await finish(small);
  await assert.rejects(finish(small), /no signing key is being replaced/);
});

test('an agent that dies right after it has followed starts from its stored state without the controller', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  const [before, stored] = [host.disk.controllerKey, host.disk.stored];
  await rotate(small);
  await follows(small, before);
  host.kill();
  host.disk = { ...host.disk, stored };
  await world.drive(world.controller.stop());
  host.plane.tearDown();
  host.start();
  await world.until('the stored state is in force', () => admits(small));
  await world.controller.start();
  await statusIs(small, 'ONLINE');
});

test('an agent that has followed does not trust a backup from before the rotation', async (t) => {
  const small = await openSmallWorld(t);
  const { world, host } = small;
  await bringUp(small);
  const [before, backup] = [host.disk.controllerKey, world.file.backup()];
  await rotate(small);
  await follows(small, before);
  await world.drive(world.controller.stop());
  world.file.restore(backup);
  await world.controller.start();
  await world.until('it refuses', () => host.log.some((line) => /not the controller that this agent/.test(line)));
  assert.ok(!host.live);
});
