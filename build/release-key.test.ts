import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { oneLineOf, parseReleaseKeys, readSignedSums } from '@sallyport/release';
import { readSigningKey, trustedKeys, writeSums } from './signing.ts';

const run = promisify(execFile);
const releaseKey = (...args: string[]) => run(process.execPath, [join(import.meta.dirname, 'release-key.ts'), ...args]);

test('a release key is made once, for its owner alone, outside of the checkout', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-key-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'keys/release.pem');
  const { stdout } = await releaseKey('--out', file);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const before = readFileSync(file, 'utf8');
  assert.match(before, /^-----BEGIN PRIVATE KEY-----\n/);
  assert.ok(!stdout.includes(before.split('\n')[1] ?? ''), 'the private half is not printed');
  assert.deepEqual(parseReleaseKeys(stdout.slice(stdout.indexOf('-----'))).map(oneLineOf), [
    oneLineOf(createPublicKey(before)),
  ]);
  assert.equal((await releaseKey('--show', file)).stdout, stdout.slice(stdout.indexOf('-----')));

  await assert.rejects(releaseKey('--out', file), /never replaced/);
  assert.equal(readFileSync(file, 'utf8'), before);
  const inside = join(import.meta.dirname, 'out-key.pem');
  await assert.rejects(releaseKey('--out', inside), /inside this checkout/);
  assert.ok(!existsSync(inside));
  await assert.rejects(releaseKey(), /--out FILE/);
  chmodSync(file, 0o640);
  await assert.rejects(releaseKey('--show', file), /others can read/);
});

test('sums are signed with the key, and an old signature does not outlive them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-sums-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'release.pem');
  await releaseKey('--out', file);
  writeFileSync(join(folder, 'a.tar.xz'), 'content');
  const key = readSigningKey(file);
  const trusted = trustedKeys(key, null);
  assert.deepEqual(await writeSums(folder, ['a.tar.xz'], key, trusted), [
    'SHA256SUMS',
    'release-key.pem',
    'SHA256SUMS.sig',
  ]);
  const read = (name: string) => readFileSync(join(folder, name));
  const keys = parseReleaseKeys(read('release-key.pem').toString());
  assert.equal(readSignedSums(read('SHA256SUMS'), read('SHA256SUMS.sig'), keys).size, 1);
  await run('sha256sum', ['--check', 'SHA256SUMS'], { cwd: folder });

  assert.deepEqual(await writeSums(folder, ['a.tar.xz'], null, ''), ['SHA256SUMS']);
  assert.ok(!existsSync(join(folder, 'SHA256SUMS.sig')) && !existsSync(join(folder, 'release-key.pem')));
});

test('a package can trust further keys, each once', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-trusted-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const shown: string[] = [];
  for (const name of ['a', 'b']) {
    await releaseKey('--out', join(folder, name));
    shown.push((await releaseKey('--show', join(folder, name))).stdout);
  }
  const publicFile = join(folder, 'public.pem');
  writeFileSync(publicFile, shown.join(''));
  const trusted = parseReleaseKeys(trustedKeys(readSigningKey(join(folder, 'b')), publicFile)).map(oneLineOf);
  assert.equal(trusted.length, 2);
  assert.ok(shown[1]?.includes(trusted[0] ?? 'x'), 'that of the signing key comes first');
  assert.equal(trustedKeys(null, null), '');
});
