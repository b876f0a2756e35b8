import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { makeRelease, signRelease } from '@sallyport/release/testing';
import type { AppDeps } from '../../app.ts';
import { openTestApp } from '../../testing/harness.ts';
import { Downloads, partOf } from './downloads.ts';

const version = '1.2.3';
const url = 'https://controller.example.com';

async function served(t: TestContext, overrides: Partial<AppDeps> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-packages-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const made = await makeRelease(folder, { version, processor: 'amd64', files: { 'bin/sally': 'x'.repeat(5_000) } });
  const { app, request } = await openTestApp(t, {
    version,
    publicUrl: url,
    packages: { folder, keyFile: null },
    ...overrides,
  });
  const get = (path: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') =>
    app.server.inject({ method, url: path, headers, remoteAddress: '127.0.0.1' });
  const name = `sallyport-${version}-linux-amd64.tar.xz`;
  const listed = { name, bytes: statSync(made.archive).size, sha256: '' };
  return { ...made, app, request, get, listed, archiveUrl: `/install/sallyport-${version}-linux-amd64.tar.xz` };
}

test('a signed release is served with scripts that pin its key', async (t) => {
  const { get, key, folder, archive, archiveUrl } = await served(t);
  for (const role of ['gateway', 'client']) {
    const script = await get(`/install/${role}`);
    assert.equal(script.statusCode, 200);
    assert.match(script.body, new RegExp(`^role='${role}'\ncontroller='${url}'\nversion='1\\.2\\.3'$`, 'm'));
    assert.ok(script.body.includes(`release_key='${key.publicKey.trim()}'`), script.body.slice(0, 500));
    assert.doesNotMatch(script.body, /'@[A-Z_]+@'/);
  }
  assert.deepEqual((await get(archiveUrl)).rawPayload, readFileSync(archive));
  for (const name of ['SHA256SUMS', 'SHA256SUMS.sig'])
    assert.deepEqual((await get(`/install/${name}`)).rawPayload, readFileSync(join(folder, name)));
  assert.equal((await get('/install/release-key.pem')).body, key.publicKey);
  const page = await get('/install');
  assert.match(page.body, /curl -fsSL https:\/\/controller\.example\.com\/install\/gateway \| sudo sh/);
});

test('only the files of this version are served, and no path leads elsewhere', async (t) => {
  const { get, folder, key, archive } = await served(t);
  const older = 'sallyport-1.2.2-linux-amd64.tar.xz';
  const linked = `sallyport-${version}-linux-arm64.tar.xz`;
  copyFileSync(archive, join(folder, older));
  symlinkSync(folder, join(folder, linked));
  writeFileSync(join(folder, 'secret.tar.xz'), 'secret');
  const own = `sallyport-${version}-linux-amd64.tar.xz`;
  signRelease(folder, [own, older, 'secret.tar.xz'], key);
  const ways = ['..%2fSHA256SUMS', '%2e%2e/SHA256SUMS', '..%2f..%2fetc%2fpasswd', 'x%00', '%ff', 'secret.tar.xz'];
  for (const name of [...ways, older, linked, 'key.pem']) {
    const { statusCode, body } = await get(`/install/${name}`);
    assert.ok(
      statusCode === 404 || statusCode === 400 || body.startsWith('Install Sallyport'),
      `${name}: ${statusCode}`,
    );
    assert.doesNotMatch(body, /secret|root:/, name);
  }
});

test('a download goes on where it ended, and is not repeated when nothing changed', async (t) => {
  const { get, archive, archiveUrl } = await served(t);
  const whole = readFileSync(archive);
  const first = await get(archiveUrl);
  const etag = String(first.headers.etag);
  assert.equal((await get(archiveUrl, { 'if-none-match': etag })).statusCode, 304);
  const part = await get(archiveUrl, { range: 'bytes=10-', 'if-range': etag });
  assert.deepEqual(
    [part.statusCode, part.headers['content-range']],
    [206, `bytes 10-${whole.length - 1}/${whole.length}`],
  );
  assert.deepEqual(part.rawPayload, whole.subarray(10));
  assert.equal((await get(archiveUrl, { range: 'bytes=10-', 'if-range': '"other"' })).statusCode, 200);
  const behind = await get(archiveUrl, { range: `bytes=${whole.length}-` });
  assert.deepEqual([behind.statusCode, behind.headers['content-range']], [416, `bytes */${whole.length}`]);
  const head = await get(archiveUrl, {}, 'HEAD');
  assert.deepEqual([head.statusCode, head.headers['content-length'], head.body], [200, String(whole.length), '']);
});

test('parts are read as the standard says, and other forms give the whole file', () => {
  assert.deepEqual(partOf('bytes=2-5', 10), { start: 2, end: 5 });
  assert.deepEqual(partOf('bytes=2-99', 10), { start: 2, end: 9 });
  assert.deepEqual(partOf('bytes=-3', 10), { start: 7, end: 9 });
  assert.deepEqual(partOf('bytes=-30', 10), { start: 0, end: 9 });
  for (const header of ['bytes=10-', 'bytes=-0']) assert.equal(partOf(header, 10), 'unsatisfiable', header);
  for (const header of [undefined, 'bytes=-', 'bytes=5-2', 'bytes=0-1,3-4', 'lines=1-2', 'bytes=1e3-'])
    assert.equal(partOf(header, 10), null, header);
});

test('a source, and all sources together, download only so much at once', async (t) => {
  const { folder, listed } = await served(t);
  const downloads = new Downloads({ total: 3, perSource: 2, longestMs: 60_000 });
  const streams: (Readable | null)[] = [];
  t.after(() => {
    for (const stream of streams) stream?.destroy();
  });
  const begin = async (source: string) => {
    const stream = await downloads.begin(source, folder, listed, { start: 0, end: 9 });
    streams.push(stream);
    return stream;
  };
  const first = await begin('a');
  assert.ok(first !== null && (await begin('a')) !== null);
  assert.equal(await begin('a'), null);
  assert.ok((await begin('b')) !== null);
  assert.equal(await begin('c'), null);
  const closed = once(first, 'close');
  first.destroy();
  await closed;
  await assert.rejects(downloads.begin('a', '/none', listed, { start: 0, end: 9 }), /not_found|exist/i);
  assert.ok((await begin('a')) !== null);
});

test('a download that takes too long is cut, and its place is free again', async (t) => {
  const { folder, listed } = await served(t);
  const downloads = new Downloads({ total: 1, perSource: 1, longestMs: 1 });
  const slow = await downloads.begin('a', folder, listed, { start: 0, end: 9 });
  assert.ok(slow !== null);
  let error: unknown;
  slow.once('error', (cause) => {
    error = cause;
  });
  await new Promise<void>((resolve) => slow.once('close', resolve));
  assert.match(String(error), /took too long/);
  const next = await downloads.begin('a', folder, listed, { start: 0, end: 9 });
  assert.ok(next !== null);
  next.on('error', () => undefined).destroy();
});

test('the settings of the tenant say where hosts install from, while there is a release and HTTPS', async (t) => {
  const { request, folder } = await served(t);
  const told = async () => (await request('GET', '/tenants/settings')).json.installUrl;
  assert.equal(await told(), `${url}/install`);
  const body = { name: 'Acme', installUrl: 'https://evil.example.com/install' };
  assert.equal((await request('PATCH', '/tenants/settings', { body })).json.installUrl, `${url}/install`);
  const plain = await openTestApp(t, {
    ...{ version, publicUrl: 'http://controller.example.com', packages: { folder, keyFile: null } },
  });
  assert.equal((await plain.request('GET', '/tenants/settings')).json.installUrl, undefined);
  const without = await openTestApp(t, { version: '9.9.9', publicUrl: url, packages: { folder, keyFile: null } });
  assert.equal((await without.request('GET', '/tenants/settings')).json.installUrl, undefined);
});

test('plain HTTP is refused beyond this machine, with a text that says what to do', async (t) => {
  const { app } = await served(t, { trustedProxies: ['192.0.2.1'] });
  const ask = async (remoteAddress: string, headers: Record<string, string>) =>
    app.server.inject({ url: '/install/gateway', remoteAddress, headers });
  const refused = await ask('192.0.2.9', { host: 'localhost' });
  assert.equal(refused.statusCode, 403);
  assert.match(refused.body, /https:\/\/controller\.example\.com\/install/);
  assert.doesNotMatch(refused.body, /#!/);
  const foreign = { host: 'controller.example.com' };
  assert.equal((await ask('127.0.0.1', foreign)).statusCode, 403, 'a proxy on this machine that is not named');
  assert.equal((await ask('192.0.2.1', foreign)).statusCode, 403, 'a proxy that does not say https');
  assert.equal(
    (await ask('192.0.2.9', { ...foreign, 'x-forwarded-proto': 'https' })).statusCode,
    403,
    'a forged header',
  );
  assert.equal((await ask('192.0.2.1', { ...foreign, 'x-forwarded-proto': 'https' })).statusCode, 200);
  assert.equal((await ask('127.0.0.1', { host: 'localhost:8080' })).statusCode, 200);
  assert.equal((await ask('::ffff:127.0.0.1', { host: '127.0.0.1:8080' })).statusCode, 200);
});

test('without a whole signed release, the page says what is missing and how to build it', async (t) => {
  const { get, folder, key, archive, archiveUrl } = await served(t);
  const own = `sallyport-${version}-linux-amd64.tar.xz`;
  const refuses = async (reason: RegExp) => {
    for (const path of ['/install', '/install/gateway', '/install/SHA256SUMS', archiveUrl]) {
      const { statusCode, headers, body } = await get(path);
      assert.deepEqual([statusCode, headers['content-type']], [404, 'text/plain; charset=utf-8'], path);
      assert.match(body, reason);
      assert.match(body, /npm run build -- --sign/);
    }
  };
  signRelease(folder, [own], {
    ...key,
    privateKey: (await makeRelease(join(folder, 'other'), { version })).key.privateKey,
  });
  await refuses(/no signature of SHA256SUMS by a known release key/);
  signRelease(folder, [own], key);
  rmSync(join(folder, 'SHA256SUMS.sig'));
  await refuses(/not signed/);
  signRelease(folder, [own], key);
  writeFileSync(join(folder, 'release-key.pem'), 'nonsense');
  await refuses(/release key/);
  signRelease(folder, [own], key);
  rmSync(archive);
  await refuses(/no archive of version 1\.2\.3/);
  rmSync(folder, { recursive: true });
  await refuses(/There are no archives/);
  const page = await get('/install', { accept: 'text/html,*/*' });
  assert.deepEqual([page.statusCode, page.headers['content-type']], [404, 'text/html; charset=utf-8']);
  assert.match(page.body, /<code>npm run release-key<\/code>/);
});
