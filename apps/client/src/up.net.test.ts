import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { LocalReply } from '@sallyport/contract/local';
import { Cleanup, Daemon, until, whyNoNamespaces } from '@sallyport/testkit';
import { mainProgram, networkText, serverAddress, World } from './testing/world.ts';

const skip = whyNoNamespaces() ?? false;
/** A busy machine needs more time for what has to work than the command gives by itself. */
const patient = ['--timeout', '120'];

test('sally up leaves a daemon when all is reachable, is idempotent, and down ends it', { skip }, async (t) => {
  const world = await World.create(t);
  const before = await networkText(world.device.namespace);
  await world.controller.change(world.items());
  const keyFile = join(world.stateDir, 'key');
  await writeFile(keyFile, world.key, { mode: 0o600 });
  const where = ['--controller', world.url, '--insecure', '--interface', world.interface];
  // The command waits for one gateway of each route: the second one answers later, so that this is the first.
  const admitted = admit(world, [world.gateway(1)]);
  const first = await world.command('up', ...where, '--enrolment-key-file', keyFile, ...patient);
  await admitted;
  await admit(world, [world.gateway(2)]);
  assert.match(first, /^Up: connected to http[\s\S]*wiki: through gateway 1, direct/);
  assert.equal(await world.answers(), true);
  const log = await readFile(join(world.stateDir, 'client.log'), 'utf8');
  assert.ok(!log.includes(world.key.slice(0, 60)), 'the key is not in the log');
  assert.match(await world.command('up', ...patient), /^Already up: connected/);
  await assert.rejects(
    world.command('up', '--controller', 'http://other.example'),
    /belongs to http:\/\/192\.0\.2\.10/,
  );

  await t.test('ping, netcheck and posture', async () => {
    await until('a path to the other gateway', async () =>
      (await world.status()).gateways.every(({ path }) => path === 'direct'),
    );
    assert.match(
      await world.command('ping', 'wiki:80', '-c', '1'),
      /through gateway 1, direct: gateway .* ms, target .* ms/,
    );
    assert.match(
      await world.command('ping', 'gateway 2', '-c', '1'),
      /^gateway 2 \(100\.64\.0\.2\), direct: [\d.]+ ms\n$/,
    );
    const json = JSON.parse(await world.command('ping', serverAddress, '-c', '1', '--json'));
    assert.equal(LocalReply.parse(json).type, 'ping');
    assert.ok(json.rttMs > 0, json.detail);
    await assert.rejects(world.command('ping', 'nowhere', '-c', '1'), /no resource, gateway or address/);
    const check = await world.ask({ op: 'netcheck' });
    assert.ok(check.type === 'netcheck' && check.controller.connected && check.tunnelMtu === 1280);
    await world.ask({ op: 'posture' });
    const told = await until('posture', async () =>
      (await world.controller.heard()).find(({ type }) => type === 'posture'),
    );
    assert.equal(told.type === 'posture' && told.facts.os, 'linux');
  });

  assert.match(await world.command('down'), /the daemon/);
  assert.equal(await networkText(world.device.namespace), before);
  assert.match(await world.command('up', ...patient), /^Up: connected/, 'what was said once is enough');
  assert.match(await world.command('down', '--forget'), /identity and settings/);
  await assert.rejects(world.command('up'), /--controller URL is missing/);
  await assert.rejects(world.command('up', ...where), /not enrolled yet/);
});

test('sally up reports the obstacle and leaves nothing behind', { skip }, async (t) => {
  const world = await World.create(t);
  const before = await networkText(world.device.namespace);
  const where = ['--controller', world.url, '--insecure', '--interface', world.interface];
  await assert.rejects(world.command('up', '--controller', 'ftp://x', '--timeout', '5'), /use https:/);
  await assert.rejects(world.command('up', ...where.slice(0, 2)), /without TLS/);
  const keyFile = join(world.stateDir, 'key');
  await writeFile(keyFile, `${world.key.slice(0, -22)}${'A'.repeat(22)}`);
  await assert.rejects(
    world.command('up', ...where, '--enrolment-key-file', keyFile, '--timeout', '4'),
    /not connected after 4 s: enrolling at http[^;]*; .*(fingerprint|not the controller|another controller)/i,
  );
  await world.command('down', '--forget');
  await writeFile(keyFile, world.key);
  await world.controller.call({
    op: 'refuse',
    refusal: { type: 'refused', code: 'expired-token', message: 'The enrolment key has expired.', final: true },
  });
  await assert.rejects(
    world.command('up', ...where, '--enrolment-key-file', keyFile, ...patient),
    /The enrolment key has expired/,
  );
  await until('the daemon to be gone', async () => (await networkText(world.device.namespace)) === before);
});

test('sally up recovers from a wrong address', { skip }, async (t) => {
  const world = await World.create(t);
  await world.controller.change(world.items());
  const keyFile = join(world.stateDir, 'key');
  await writeFile(keyFile, world.key, { mode: 0o600 });
  const own = ['--insecure', '--interface', world.interface, '--enrolment-key-file', keyFile];
  await assert.rejects(
    world.command('up', '--controller', 'http://192.0.2.99:7000', ...own, '--timeout', '5'),
    /not connected after 5 s: enrolling at http:\/\/192\.0\.2\.99/,
  );
  const admitted = admit(world);
  assert.match(
    await world.command('up', '--controller', world.url, ...own, ...patient),
    /^Up: connected to http:\/\/192\.0\.2\.10/,
  );
  await admitted;
});

/** Lets the device in at these gateways, as soon as its key is known. */
async function admit(world: World, gateways = world.gateways): Promise<void> {
  const heard = await until('the device to enrol', async () =>
    (await world.controller.heard()).find(({ type }) => type === 'authenticate'),
  );
  if (heard.type !== 'authenticate') return;
  await Promise.all(gateways.map((gateway) => gateway.admit(heard.wireguardPublicKey, ['100.64.9.9'])));
}

test('sally up interrupted twice says how to continue, and leaves a daemon that down ends', {
  skip,
}, async (t) => {
  const world = await World.create(t);
  const before = await networkText(world.device.namespace);
  const keyFile = join(world.stateDir, 'key');
  await writeFile(keyFile, world.key, { mode: 0o600 });
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  // No server listens there, so the command waits.
  const where = ['--controller', 'http://192.0.2.10:9', '--insecure', '--interface', world.interface];
  const args = ['up', '--state-dir', world.stateDir, ...where, '--enrolment-key-file', keyFile];
  const up = Daemon.start([mainProgram, ...args], { cleanup, namespace: world.device.namespace });
  await until('the daemon', () => world.ask({ op: 'status' }).catch(() => null));
  const ended = up.kill('SIGINT');
  await pause(10);
  up.child.kill('SIGINT');
  await ended;
  assert.equal(up.child.exitCode, 130, up.output);
  assert.match(up.output, /no longer waiting.*"sally status" shows it, "sally down" ends it/);
  assert.match(await world.command('down', '--forget'), /the daemon/);
  assert.equal(await networkText(world.device.namespace), before);
});
