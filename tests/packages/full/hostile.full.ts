import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { version } from '@sallyport/program/place';
import {
  archiveName,
  createReleaseKey,
  folderName,
  parsePrivateKey,
  signatureFile,
  signSums,
  sumsFile,
} from '@sallyport/release';
import { signRelease, writeXz } from '@sallyport/release/testing';
import { Cleanup, until } from '@sallyport/testkit';
import { differences, memoryFolder, signedBuild, stateOf } from './fixtures.ts';
import type { BareHost } from './host.ts';
import { bootMachine } from './machine.ts';
import { brokenRelease, nextRelease, nextVersion, testKey } from './versions.ts';
import { declareOffice, installLine, PackagedController, PackageWorld, placeSecret, processor } from './world.ts';

/** Changes the release in a folder. */
type Spoil = (folder: string, version: string) => Promise<void> | void;

const wrongSum: Spoil = (folder, of) => {
  const file = join(folder, archiveName(of, processor));
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
  writeFileSync(file, bytes);
};

const cut: Spoil = (folder, of) => {
  const file = join(folder, archiveName(of, processor));
  truncateSync(file, statSync(file).size >> 1);
};

const wrongSignature: Spoil = (folder) => {
  const sums = readFileSync(join(folder, sumsFile));
  writeFileSync(join(folder, signatureFile), signSums(sums, parsePrivateKey(createReleaseKey().privateKey)));
};

/** The right key signs an archive whose entries leave its folder. */
const pathsOutside: Spoil = async (folder, of) => {
  const top = folderName(of, processor);
  const content = Buffer.from(JSON.stringify({ name: 'sallyport', version: of }));
  await writeXz(join(folder, archiveName(of, processor)), [
    { path: top, mode: 0o755, holds: 'folder' },
    { path: `${top}/package.json`, mode: 0o644, holds: content },
    { path: `${top}/../../../../etc/cron.d/evil`, mode: 0o644, holds: Buffer.from('evil') },
  ]);
  signRelease(folder, [archiveName(of, processor)], await testKey());
};

test('an installation that is attacked or breaks off says why, and leaves the host as it was', async (t) => {
  const { controller, office, world, build } = await prepared(t);
  const releases = join(controller.host.folder, 'var/lib/sallyport/releases');
  const line = installLine(controller, 'gateway');
  const before = stateOf(office.folder);
  const refused = async (what: string, says: RegExp) => {
    assert.match(await office.fails(`set -o pipefail; ${line}`), says, what);
    assert.deepEqual(differences(before, stateOf(office.folder)), [], what);
  };
  for (const [what, spoil, says] of [
    ['wrong sum', wrongSum, /the sum of .* is wrong: nothing was changed/],
    ['cut archive', cut, /the sum of .* is wrong: nothing was changed/],
    ['paths outside', pathsOutside, /has entries that do not belong there: nothing was changed/],
    ['wrong signature', wrongSignature, /curl: \(22\) .*404/],
  ] as const) {
    await spoil(releases, version);
    await refused(what, says);
    controller.offer(build, version);
  }
  await withFullDisk(office, 20, () =>
    refused('no room for the download', /could not download .*: nothing was changed/),
  );
  await withFullDisk(office, 70, () => refused('no room for the program', /needs \d+ MiB, and has \d+ MiB free/));

  await breakOff(world, controller, office, line, /could not download .*: nothing was changed/);
  assert.deepEqual(differences(before, stateOf(office.folder)), [], 'broken off');
  assert.match(await office.run(line), /The gateway is connected/, 'after all that');
});

test('an upgrade that is attacked or breaks off says why, and the agent goes on', async (t) => {
  const { controller, office, world, build } = await prepared(t);
  await office.run(installLine(controller, 'gateway'));
  const next = await nextRelease(build);
  const older = join(await memoryFolder('1m', world.cleanup), 'older');
  await brokenRelease(older, '0.0.1');
  const running = () =>
    office.run('sally gateway status >/dev/null; systemctl show --property MainPID sallyport-gateway; sally --version');
  const [before, agent] = [stateOf(office.folder), await running()];
  const unchanged = async (what: string) => {
    // Compiled code of the program comes and goes, and the agent writes its state.
    const stable = (path: string) => /^(opt|etc|usr|srv)\//.test(path) && !path.includes('/programs/.cache/');
    assert.deepEqual(differences(before, stateOf(office.folder)).filter(stable), [], what);
    assert.equal(await running(), agent, what);
  };
  for (const [what, spoil, says, from = next, of = nextVersion] of [
    ['wrong sum', wrongSum, /The release is refused: .*sum/],
    ['cut archive', cut, /The release is refused: .*sum/],
    ['wrong signature', wrongSignature, /The release is refused: .*sign/],
    ['paths outside', pathsOutside, /The release is refused: /],
    ['an older version', () => undefined, /The release is refused: .*0\.0\.1/, older, '0.0.1'],
  ] as const) {
    const folder = join(office.folder, 'srv/release');
    mkdirSync(folder);
    for (const name of [sumsFile, signatureFile, 'release-key.pem', archiveName(of, processor)])
      cpSync(join(from, name), join(folder, name));
    await spoil(folder, of);
    assert.match(await office.fails('sally upgrade --folder /srv/release'), says, what);
    rmSync(folder, { recursive: true });
    await unchanged(what);
  }
  await controller.install(next, nextVersion);
  await controller.answers();
  await withFullDisk(office, 20, async () => {
    assert.match(await office.fails('sally upgrade'), /[Tt]he disk of .* is full/);
  });
  await withFullDisk(office, 70, async () => {
    assert.match(await office.fails('sally upgrade'), /no space|disk|full/i);
  });
  await unchanged('full disk');
  await breakOff(world, controller, office, 'sally upgrade', /SHA|broke off|could not be brought/);
  await unchanged('broken off');
  assert.match(await office.run('sally upgrade'), /Upgraded from .* to 1\.0\.0/);
});

async function prepared(t: { after(step: () => Promise<void>): void }) {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const build = await signedBuild();
  const world = await PackageWorld.create(cleanup);
  const [host, office] = await Promise.all([
    bootMachine('bookworm', world.space('controller'), cleanup),
    bootMachine('trixie', world.space('gateway'), cleanup),
  ]);
  const controller = await PackagedController.start(host, build, version, cleanup);
  placeSecret(office, controller, await declareOffice(controller));
  return { world, controller, office, build };
}

/** Does some work while the disk of a host has a given number of free MiB. */
async function withFullDisk(host: BareHost, freeMiB: number, work: () => Promise<void>): Promise<void> {
  await host.run(
    `free=$(df -Pm / | awk 'NR == 2 { print $4 }'); fallocate -l $((free - ${freeMiB}))M /var/cache/filler`,
  );
  await work();
  await host.run('rm /var/cache/filler');
}

/** Lets the controller crash in the middle of a download. It starts again by itself. */
async function breakOff(
  world: PackageWorld,
  controller: PackagedController,
  host: BareHost,
  command: string,
  says: RegExp,
): Promise<void> {
  const slow = 'qdisc add dev wan0 root tbf rate 8mbit burst 32kbit latency 200ms'.split(' ');
  await world.space('controller').exec('tc', ...slow);
  const attempt = host.fails(command);
  const part = 'cat /opt/sallyport/.work-*/*.xz /opt/sallyport/.upgrade-*/*.xz 2>/dev/null | head -c 300000 | wc -c';
  await until('a part of the archive', async () => (await host.run(`${part} || true`)) === '300000');
  await controller.host.run('systemctl kill --signal KILL sallyport-controller');
  assert.match(await attempt, says);
  await world.space('controller').exec('tc', 'qdisc', 'del', 'dev', 'wan0', 'root');
  await controller.answers();
}
