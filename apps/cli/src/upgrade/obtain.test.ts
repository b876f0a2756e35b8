import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { signatureFile, sumsFile } from '@sallyport/release';
import { makeRelease } from '@sallyport/release/testing';
import { folder } from '../testing/run.ts';
import { currentVersion, layoutOf, removeVersions, switchCurrent } from './layout.ts';
import { bringVersion, readOffer, type Wanted } from './obtain.ts';

/** A host with version 1.0.0, and a release for it. */
async function hostAndRelease(t: TestContext, version = '2.0.0') {
  const home = await folder(t);
  mkdirSync(join(home, 'versions/1.0.0'), { recursive: true });
  symlinkSync('versions/1.0.0', join(home, 'current'));
  const release = join(home, 'release');
  const { key, archive } = await makeRelease(release, { version, files: { 'bin/sally': '#!/bin/sh\n' } });
  const keyFile = join(home, 'key.pem');
  writeFileSync(keyFile, key.publicKey);
  const wanted: Wanted = {
    ...{ source: { kind: 'folder', folder: release }, keyFile, version: undefined, newerThan: '1.0.0' },
  };
  return { layout: { home }, release, archive, wanted, versions: () => readdirSync(join(home, 'versions')).sort() };
}

async function upgradeTo(host: Awaited<ReturnType<typeof hostAndRelease>>, wanted = host.wanted) {
  const offer = await readOffer(wanted);
  await bringVersion(host.layout, wanted, offer);
  return offer;
}

test('a signed and newer release of a folder is unpacked beside the current version', async (t) => {
  const host = await hostAndRelease(t);
  assert.equal((await upgradeTo(host)).version, '2.0.0');
  assert.deepEqual(host.versions(), ['1.0.0', '2.0.0']);
  assert.equal(currentVersion(host.layout), '1.0.0');
  assert.deepEqual(
    readdirSync(host.layout.home).filter((name) => name.startsWith('.')),
    [],
  );
  await switchCurrent(host.layout, '2.0.0');
  assert.equal(currentVersion(host.layout), '2.0.0');
  assert.deepEqual(layoutOf(join(host.layout.home, 'current')), host.layout);
  await removeVersions(host.layout, []);
  assert.deepEqual(host.versions(), ['2.0.0']);
});

test('a release that is older, equal, of another version, unsigned or changed is refused, and nothing changes', async (t) => {
  const host = await hostAndRelease(t);
  const refusals: [wanted: Partial<Wanted>, text: RegExp][] = [
    [{ newerThan: '2.0.0' }, /not newer than 2\.0\.0/],
    [{ newerThan: '3.0.0' }, /not newer than 3\.0\.0/],
    [{ version: '2.1.0' }, /is of version 2\.0\.0, not 2\.1\.0/],
    [{ keyFile: join(host.layout.home, 'none.pem') }, /release key .* cannot be read/],
  ];
  for (const [wanted, text] of refusals) await assert.rejects(upgradeTo(host, { ...host.wanted, ...wanted }), text);
  const other = await hostAndRelease(t);
  await assert.rejects(upgradeTo(host, { ...host.wanted, keyFile: other.wanted.keyFile }), /refused/);
  truncateSync(host.archive, 100);
  await assert.rejects(upgradeTo(host), /cut, damaged or forged/);
  writeFileSync(join(host.release, signatureFile), Buffer.alloc(64));
  await assert.rejects(upgradeTo(host), /refused/);
  assert.deepEqual(host.versions(), ['1.0.0']);
});

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a controller offers a release over HTTP; a cut download or a redirect changes nothing', async (t) => {
  const host = await hostAndRelease(t);
  let cut = true;
  const url = await serve(t, (request, response) => {
    const name = request.url?.slice('/install/'.length) ?? '';
    const bytes = readFileSync(join(host.release, name));
    response.writeHead(200, { 'content-length': bytes.length });
    const isArchive = name !== sumsFile && name !== signatureFile;
    if (isArchive && cut) response.write(bytes.subarray(0, 50), () => response.destroy());
    else response.end(bytes);
  });
  const wanted: Wanted = { ...host.wanted, source: { kind: 'controller', url, ca: undefined } };
  await assert.rejects(upgradeTo(host, wanted), /download .* broke off|could not be brought/);
  assert.deepEqual(host.versions(), ['1.0.0']);
  cut = false;
  assert.equal((await upgradeTo(host, wanted)).version, '2.0.0');
  assert.ok(existsSync(join(host.layout.home, 'versions/2.0.0/bin/sally')));

  const elsewhere = await serve(t, (_, response) => response.writeHead(302, { location: url }).end());
  const redirected: Wanted = { ...wanted, source: { kind: 'controller', url: elsewhere, ca: undefined } };
  await assert.rejects(readOffer(redirected), /answered HTTP 302/);
});

test('programs are not taken over plain HTTP from another host, and endless answers are not read', async (t) => {
  const host = await hostAndRelease(t);
  const from = (url: string): Wanted => ({ ...host.wanted, source: { kind: 'controller', url, ca: undefined } });
  await assert.rejects(readOffer(from('http://controller.example')), /not taken .* because it is not https/);
  const url = await serve(t, (_, response) => {
    const more = (): void => {
      while (response.write(Buffer.alloc(65_536))) if (response.destroyed) return;
    };
    response.on('drain', more);
    more();
  });
  await assert.rejects(readOffer(from(url)), /is larger than/);
});

test('what a killed upgrade left is removed by the next one', async (t) => {
  const host = await hostAndRelease(t);
  mkdirSync(join(host.layout.home, '.upgrade-999999999-1'));
  mkdirSync(join(host.layout.home, 'versions/.2.0.0.partial'));
  await upgradeTo(host);
  assert.deepEqual(
    [...readdirSync(host.layout.home), ...host.versions()].filter((name) => name.startsWith('.')),
    [],
  );
});
