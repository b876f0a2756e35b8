import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundleItem } from '@sallyport/agent-core/testing';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { serverAddress, World } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

test('a gateway with a full disk enforces, restarts, and stores no wider grant', { skip }, async (t) => {
  const world = await World.create();
  t.after(() => world.cleanup.run());
  const { controller, device } = world;
  const disk = join(world.stateDir, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=700', 'tmpfs', disk]);
  world.cleanup.add(async () => void execFileSync('umount', ['--lazy', disk]));
  world.stateDir = join(disk, 'state');
  const stateFile = join(world.stateDir, 'state.json');
  const fill = () => {
    const file = openSync(join(disk, 'fill'), 'a');
    try {
      for (;;) writeSync(file, Buffer.alloc(4096));
    } catch {}
    closeSync(file);
  };
  /** Returns whether the stored state, with which a later start would begin, has the ports of the web policy. */
  const storedGrants = () => existsSync(stateFile) && readFileSync(stateFile, 'utf8').includes('"policy":"web"');

  await controller.change(world.items());
  world.startAgent();
  await world.applied();
  await world.deviceUp();
  await until('the tunnel', async () => (await device.ping(serverAddress)) === 'ok');
  await until('the state on disk', storedGrants);

  fill();
  await controller.change([bundleItem('b1', [{ protocol: 'icmp', from: 0, to: 65535, policy: 'other' }])]);
  await world.applied();
  assert.equal(await device.tcp(serverAddress, 80, { timeoutMs: 500 }), 'timeout', 'the revocation took effect');
  assert.equal(await device.ping(serverAddress), 'ok');
  await until('nothing on disk that grants it', () => !storedGrants());

  await world.agent.kill('SIGKILL');
  world.startAgent([], '\n');
  await until('the new agent', async () => (await controller.state()).connections === 1);
  await controller.change([world.deviceItem({ profile: null })]);
  await world.applied();
  assert.notEqual(await device.ping(serverAddress), 'ok', 'and so did the next one');

  rmSync(join(disk, 'fill'));
  await controller.change([world.deviceItem()]);
  await world.applied();
  const { hash } = await controller.state();
  await until('the state on disk', () => existsSync(stateFile) && readFileSync(stateFile, 'utf8').includes(hash));
});
