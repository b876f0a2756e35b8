import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundleItem } from '@sallyport/agent-core/testing';
import type { Upgrading } from '@sallyport/contract/channel';
import type { ReleaseKeyPair } from '@sallyport/release';
import { makeRelease } from '@sallyport/release/testing';
import { Daemon, until, whyNoNamespaces } from '@sallyport/testkit';
import { placeVersion } from './testing/versions.ts';
import { lastHeard, serverAddress, World } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;

/** A version that starts, and does not do what an agent does. It does not even end when it is asked to. */
const deaf = `
process.prependListener('SIGUSR2', () => undefined);
process.stderr.write('a deaf version runs\\n');
setInterval(() => undefined, 1000);
`;

/** A version that works, and ends soon after each start. */
const crashes = `
setTimeout(() => process.kill(process.pid, 'SIGKILL'), 1500);
await import('./real.ts');
`;

test('upgrades of a gateway under traffic', { skip }, async (t) => {
  const world = await World.create();
  t.after(() => world.cleanup.run());
  const { controller, device, gateway, cleanup } = world;
  const home = await mkdtemp(join(tmpdir(), 'sallyport-home-'));
  cleanup.add(() => rm(home, { recursive: true, force: true }));
  await placeVersion(home, '1.0.0');
  await placeVersion(home, '2.0.0');
  await symlink('versions/1.0.0', join(home, 'current'));
  const both = [
    { protocol: 'tcp', from: 80, to: 80, policy: 'web' },
    { protocol: 'udp', from: 80, to: 80, policy: 'web' },
    { protocol: 'icmp', from: 0, to: 65535, policy: 'web' },
  ] as const;
  await controller.change([...world.items(), bundleItem('b1', [...both])]);
  const tokenFile = join(home, 'token');
  await writeFile(tokenFile, world.token, { mode: 0o600 });
  const releases = join(home, 'releases');
  const keyFile = join(releases, 'release-key.pem');
  const allowed = ['--allow-upgrades', '--release-key', keyFile];
  const where = ['--controller', 'http://127.0.0.1:7000', '--token-file', tokenFile, ...world.where, ...allowed];
  world.agent = Daemon.start([join(home, 'versions/1.0.0/apps/gateway/src/main.ts'), 'run', ...where], {
    cleanup,
    namespace: gateway,
  });
  await world.applied();
  await world.deviceUp();
  await until('the tunnel', async () => (await device.udp(serverAddress, 80, { timeoutMs: 500 })) === 'ok');

  const runs = async () => JSON.parse(await readFile(join(world.stateDir, 'status.json'), 'utf8'));
  // The one that returned has no parent here.
  cleanup.add(async () => {
    const { pid } = await runs();
    if (pid === world.agent.child.pid) return;
    process.kill(pid, 'SIGTERM');
    await until('its end', async () => (await readlink(join(world.stateDir, 'agent.lock')).catch(() => null)) === null);
  });
  const upgrade = async (version: string, patience: string) => {
    const folder = join(home, `release-${version}`);
    const { key } = await makeRelease(folder, { version });
    await writeFile(join(folder, 'key.pem'), key.publicKey);
    const program = join(home, 'current/bin/sally');
    const dirs = ['--gateway-state-dir', world.stateDir, '--client-state-dir', join(home, 'no-device')];
    const args = ['upgrade', '--folder', folder, '--release-key', join(folder, 'key.pem'), ...dirs];
    const text = await gateway.exec(
      'sh',
      '-c',
      '"$@" || true',
      'sh',
      program,
      '--json',
      ...args,
      '--patience',
      patience,
    );
    return JSON.parse(text);
  };
  const wireguard = () => gateway.exec('sh', '-c', `cat /sys/class/net/${world.interface}/ifindex`);

  await t.test('a healthy version takes over, and no packet is lost', async () => {
    const { pid, applied } = await until('a status with a state', async () => {
      const status = await runs();
      return status.applied !== null && status;
    });
    const link = await wireguard();
    await device.startDatagrams('s', serverAddress, 80, 10);
    const result = await upgrade('2.0.0', '120');
    assert.deepEqual(result, { from: '1.0.0', to: '2.0.0', outcome: 'upgraded', faults: [], agents: ['gateway'] });
    const stream = await device.stopStream('s');
    assert.equal(stream.received, stream.sent);
    assert.ok(stream.sent > 100);
    assert.equal(await readlink(join(home, 'current')), 'versions/2.0.0');
    const after = await runs();
    assert.deepEqual([after.version, after.pid, after.applied.hash], ['2.0.0', pid, applied.hash]);
    assert.equal(await wireguard(), link, 'the tunnel was made again');
    assert.equal((await lastHeard(controller, 'hello')).agentVersion, '2.0.0');
  });

  await t.test('a broken version returns by itself, without a controller, and no packet is lost', async () => {
    await placeVersion(home, '3.0.0', deaf);
    await device.startDatagrams('s', serverAddress, 80, 10);
    const result = await upgrade('3.0.0', '16');
    assert.deepEqual([result.outcome, result.to], ['returned', '3.0.0']);
    assert.match(result.faults.join(), /the agent does not run/);
    const stream = await device.stopStream('s');
    assert.equal(stream.received, stream.sent);
    assert.equal(await readlink(join(home, 'current')), 'versions/2.0.0');
    await until('the old version', async () => {
      const { version, applied } = await runs();
      return version === '2.0.0' && applied !== null;
    });
    assert.match(world.agent.output, /a deaf version runs/);
  });

  /** The controller asks for a version. Returns the states that the agent reports, up to the final one. */
  const asked = async (version: string) => {
    const request = crypto.randomUUID();
    const seen = async () => {
      const messages = (await controller.heard()).filter((one) => one.type === 'upgrading' && one.request === request);
      return messages as Upgrading[];
    };
    const connections = async () => (await controller.heard()).filter(({ type }) => type === 'authenticate').length;
    let told = 0;
    const ended = async () => {
      if ((await seen()).some(({ state }) => ['done', 'returned', 'failed'].includes(state))) return true;
      const present = (await runs()).phase === 'live' ? await connections() : told;
      // A controller asks again on each connection.
      if (present > told) await controller.call({ op: 'say', message: { type: 'upgrade', request, version } });
      told = present;
      return false;
    };
    await until(`the end of the upgrade to ${version}`, ended, { timeoutMs: 300_000, everyMs: 300 }).catch(
      async (error) => {
        const record = await readFile(join(world.stateDir, 'upgrade.json'), 'utf8').catch(() => 'none');
        throw new Error(
          `${error.message}; ${record}; ${JSON.stringify(await seen())}; ${world.agent.output.slice(-3000)}`,
        );
      },
    );
    return seen();
  };
  const offer = async (version: string, key?: ReleaseKeyPair) => {
    const made = await makeRelease(releases, { version, ...(key && { key }) });
    await controller.call({ op: 'serve', folder: releases });
    return made.key;
  };

  await t.test('the controller asks for a version, and the host takes it without a lost packet', async () => {
    await placeVersion(home, '4.0.0');
    await offer('4.0.0');
    await until('the old version to be connected', async () => (await runs()).phase === 'live');
    assert.equal((await lastHeard(controller, 'authenticate')).upgrades, 'allowed');
    await device.startDatagrams('s', serverAddress, 80, 10);
    const states = await asked('4.0.0');
    assert.deepEqual(states.at(-1)?.state, 'done', JSON.stringify(states));
    const stream = await device.stopStream('s');
    assert.equal(stream.received, stream.sent);
    assert.equal(await readlink(join(home, 'current')), 'versions/4.0.0');
  });

  await t.test('the host runs nothing that its own key did not sign, whatever the controller offers', async () => {
    await placeVersion(home, '5.0.0');
    const known = await readFile(keyFile, 'utf8');
    await offer('5.0.0');
    await writeFile(keyFile, known);
    const [last] = (await asked('5.0.0')).slice(-1);
    assert.equal(last?.state, 'failed');
    assert.match(last?.reason ?? '', /The release is refused: /);
    const older = await offer('3.5.0');
    await writeFile(keyFile, older.publicKey);
    const [refused] = (await asked('3.5.0')).slice(-1);
    assert.equal(refused?.state, 'failed');
    assert.match(refused?.reason ?? '', /not newer|older/);
    assert.equal(await readlink(join(home, 'current')), 'versions/4.0.0');
    assert.equal((await runs()).version, '4.0.0');
  });

  await t.test('a version that crashes again and again returns, under a service that starts it each time', async () => {
    await placeVersion(home, '6.0.0', crashes);
    const main = 'apps/gateway/src/main.ts';
    await copyFile(join(home, 'versions/4.0.0', main), join(home, 'versions/6.0.0/apps/gateway/src/real.ts'));
    process.kill((await runs()).pid, 'SIGTERM');
    await until('its end', async () => (await readlink(join(world.stateDir, 'agent.lock')).catch(() => null)) === null);
    const program = join(home, 'current/bin/sally');
    const loop = ['sh', '-c', 'program=$1; shift 2; while :; do "$program" "$@"; sleep 0.2; done', 'sh', program];
    const service = Daemon.start(['gateway', 'run', ...where], { cleanup, namespace: gateway, wrapper: loop });
    await until(
      'the service',
      async () => (await runs()).phase === 'live' && (await controller.state()).connections > 0,
    );
    await device.startDatagrams('s', serverAddress, 80, 10);
    const result = await upgrade('6.0.0', '32');
    const stream = await device.stopStream('s');
    assert.deepEqual([result.outcome, stream.received], ['returned', stream.sent], JSON.stringify(result));
    assert.match(result.faults.join(), /ends and starts again and again|does not run|connection/);
    assert.equal(await readlink(join(home, 'current')), 'versions/4.0.0');
    await until('the old version', async () => (await runs()).version === '4.0.0');
    await service.kill('SIGKILL');
  });
});
