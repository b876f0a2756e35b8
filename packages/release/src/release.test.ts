import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  archiveName,
  chooseArchive,
  createReleaseKey,
  oneLineOf,
  parseReleaseKeys,
  parseSums,
  type ReleaseKeyPair,
  type ReleaseProblem,
  unpackRelease,
  verifyRelease,
} from './index.ts';
import { settleChecksum, type TarInput, tarHeader } from './tar-write.ts';
import { makeRelease, ownProcessor, signRelease, type TestRelease } from './testing/release.ts';

const run = promisify(execFile);
const scratch = mkdtempSync(join(tmpdir(), 'sallyport-release-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

let count = 0;
async function release(made: Partial<TestRelease> = {}) {
  count += 1;
  const folder = join(scratch, `release-${count}`);
  const { key, archive } = await makeRelease(folder, { version: '1.2.3', ...made });
  return {
    folder,
    key,
    archive,
    keys: parseReleaseKeys(key.publicKey),
    processor: ownProcessor,
    target: `${folder}-out`,
  };
}

const refuses = (problem: ReleaseProblem, message?: RegExp) => (error: unknown) => {
  assert.equal((error as { problem?: string }).problem, problem, String(error));
  if (message) assert.match(String(error), message);
  return true;
};

test('a signed release is unpacked whole, with programs that can be run', async () => {
  const files = { 'bin/sally': '#!/bin/sh\necho hello\n', 'programs/a.js': 'x'.repeat(100_000), LICENSE: '' };
  const made = await release({ files });
  const found = await verifyRelease({ ...made, version: '1.2.3', newerThan: '1.2.2' });
  assert.equal(found.version, '1.2.3');
  await unpackRelease(found, made.target);
  assert.equal((await run(join(made.target, 'bin/sally'))).stdout, 'hello\n');
  assert.equal(readFileSync(join(made.target, 'programs/a.js'), 'utf8'), files['programs/a.js']);
  assert.equal(statSync(join(made.target, 'programs/a.js')).mode & 0o777, 0o644);
  await assert.rejects(unpackRelease(found, made.target), refuses('exists'));
});

test('OpenSSL and sha256sum alone check a release', async () => {
  const { folder } = await release();
  const check = ['pkeyutl', '-verify', '-pubin', '-inkey', 'release-key.pem', '-rawin', '-in', 'SHA256SUMS'];
  await run('openssl', [...check, '-sigfile', 'SHA256SUMS.sig'], { cwd: folder });
  await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder });
  writeFileSync(join(folder, 'SHA256SUMS'), `${readFileSync(join(folder, 'SHA256SUMS'), 'utf8')} `);
  await assert.rejects(run('openssl', [...check, '-sigfile', 'SHA256SUMS.sig'], { cwd: folder }));
});

test('a release with another signature, key or sum is refused', async () => {
  const made = await release();
  const sums = join(made.folder, 'SHA256SUMS');
  const other = parseReleaseKeys(createReleaseKey().publicKey);
  await assert.rejects(verifyRelease({ ...made, keys: other }), refuses('bad_signature'));
  await assert.rejects(verifyRelease({ ...made, keys: [] }), refuses('bad_signature'));
  await verifyRelease({ ...made, keys: [...other, ...made.keys] });

  const signed = readFileSync(sums, 'utf8');
  writeFileSync(
    sums,
    signed.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
  );
  await assert.rejects(verifyRelease(made), refuses('bad_signature'));
  writeFileSync(sums, signed);
  for (const length of [0, 63, 65]) {
    writeFileSync(join(made.folder, 'SHA256SUMS.sig'), Buffer.alloc(length));
    await assert.rejects(verifyRelease(made), refuses('bad_signature'));
  }
  rmSync(join(made.folder, 'SHA256SUMS.sig'));
  await assert.rejects(verifyRelease(made), refuses('bad_sums', /SHA256SUMS\.sig cannot be read: ENOENT/));
});

test('an archive that is cut, longer, swapped or missing is refused, also when it changes after the check', async () => {
  const made = await release();
  const whole = readFileSync(made.archive);
  const found = await verifyRelease(made);
  const forged = await release({ files: { 'bin/sally': 'evil' } });
  for (const bytes of [whole.subarray(0, whole.length - 1), Buffer.concat([whole, Buffer.alloc(4)]), Buffer.alloc(0)]) {
    writeFileSync(made.archive, bytes);
    await assert.rejects(verifyRelease(made), refuses('wrong_sum'));
    await assert.rejects(unpackRelease(found, made.target));
  }
  copyFileSync(forged.archive, made.archive);
  await assert.rejects(verifyRelease(made), refuses('wrong_sum'));
  await assert.rejects(unpackRelease(found, made.target), refuses('wrong_sum'));
  rmSync(made.archive);
  await assert.rejects(verifyRelease(made), refuses('no_archive'));
  mkdirSync(made.archive);
  await assert.rejects(verifyRelease(made), refuses('no_archive'));
  leavesNothing(made.target);
});

test('only a newer version is accepted, and only the one that was asked for', async () => {
  const made = await release({ version: '1.10.0' });
  for (const older of ['1.9.99', '0.99.99', '1.9.0']) await verifyRelease({ ...made, newerThan: older });
  for (const newer of ['1.10.0', '1.10.1', '2.0.0'])
    await assert.rejects(verifyRelease({ ...made, newerThan: newer }), refuses('not_newer'));
  await assert.rejects(verifyRelease({ ...made, version: '1.10.1' }), refuses('no_archive', /1\.10\.0, not 1\.10\.1/));
  const processor = ownProcessor === 'amd64' ? 'arm64' : 'amd64';
  await assert.rejects(verifyRelease({ ...made, processor }), refuses('no_archive'));
});

test('an older archive under the name of a newer one is refused, even when it is signed', async () => {
  const old = await release({ version: '1.0.0' });
  const name = archiveName('2.0.0', ownProcessor);
  copyFileSync(old.archive, join(old.folder, name));
  signRelease(old.folder, [name], old.key);
  await assert.rejects(unpackRelease(await verifyRelease(old), old.target), refuses('unsafe', /not inside/));

  const made = await release({ files: { 'package.json': '{"version":"1.0.0"}' } });
  await assert.rejects(
    unpackRelease(await verifyRelease(made), made.target),
    refuses('damaged', /holds version "1.0.0"/),
  );
});

test('sums of two versions, and lines that are no sum, are refused', async () => {
  const made = await release();
  const name = archiveName('1.2.4', ownProcessor);
  copyFileSync(made.archive, join(made.folder, name));
  signRelease(made.folder, [basename(made.archive), name], made.key);
  await assert.rejects(verifyRelease(made), refuses('no_archive', /of one version/));
  const sum = 'a'.repeat(64);
  assert.equal(parseSums(`${sum}  a.deb\n${sum}  b.deb\n`).size, 2);
  for (const text of ['', '\n', `${sum}  a`, `${sum} a\n`, `${sum}  ../a\n`, `${sum}  a\n${sum}  a\n`, `${sum}  .a\n`])
    assert.throws(() => parseSums(text), refuses('bad_sums'), JSON.stringify(text));
  const long = Buffer.from(`${sum}  a\n`.repeat(2000));
  assert.throws(() => chooseArchive(long, Buffer.alloc(64), made), refuses('too_large'));
});

const top = `sallyport-1.2.3-linux-${ownProcessor}`;
const file = (path: string): TarInput => ({ path, mode: 0o644, holds: Buffer.from('evil') });
const link = (path: string, to: string): TarInput => ({ path, mode: 0o777, holds: { link: to } });

const hostile: Readonly<Record<string, readonly TarInput[]>> = {
  'a path that goes up': [file(`${top}/../../evil`)],
  'an absolute path': [file('/tmp/evil')],
  'a path beside the folder': [file('evil')],
  'a folder whose name begins like ours': [file(`${top}-evil`)],
  'a dot in a path': [file(`${top}/./evil`)],
  'an empty part': [file(`${top}//evil`)],
  'a line break': [file(`${top}/e\nvil`)],
  'an escape code': [file(`${top}/\u001b[2Jevil`)],
  'a backslash': [file(`${top}/..\\evil`)],
  'a hidden file': [file(`${top}/.evil`)],
  'a file in a folder that does not come before': [file(`${top}/none/evil`)],
  'a file below a file': [file(`${top}/package.json/evil`)],
  'the same path twice': [file(`${top}/package.json`)],
  'a symbolic link': [link(`${top}/evil`, '/etc')],
  'a symbolic link and a file through it': [link(`${top}/evil`, '/tmp'), file(`${top}/evil/evil`)],
};

for (const [what, entries] of Object.entries(hostile)) {
  test(`a signed archive with ${what} is refused and leaves nothing`, async () => {
    const made = await release({ hostile: entries });
    await assert.rejects(unpackRelease(await verifyRelease(made), made.target), refuses('unsafe'));
    leavesNothing(made.target);
    assert.ok(!existsSync('/tmp/evil') && !existsSync(join(scratch, 'evil')));
  });
}

for (const [flag, what] of Object.entries({
  1: 'hard link',
  3: 'device',
  4: 'device',
  6: 'pipe',
  x: 'plain',
  L: 'plain',
})) {
  test(`a signed archive with an entry of type ${flag} is refused and leaves nothing`, async () => {
    const made = await forged((tar) => {
      const header = tarHeader({ path: `${top}/evil`, mode: 0o644, holds: Buffer.alloc(0) }, 0);
      header.write(flag, 156);
      return Buffer.concat([tar.subarray(0, -1024), settleChecksum(header), Buffer.alloc(1024)]);
    });
    await assert.rejects(unpackRelease(await verifyRelease(made), made.target), refuses('unsafe', new RegExp(what)));
    leavesNothing(made.target);
  });
}

test('an archive that unpacks to too much, or to too many files, is refused and leaves nothing', async () => {
  const made = await release({ files: { bomb: Buffer.alloc(20_000_000) } });
  assert.ok(statSync(made.archive).size < 20_000);
  const found = await verifyRelease(made);
  await assert.rejects(unpackRelease(found, made.target, { entries: 10, bytes: 1_000_000 }), refuses('too_large'));
  await assert.rejects(
    unpackRelease(found, made.target, { entries: 2, bytes: 1e9 }),
    refuses('too_large', /2 entries/),
  );
  leavesNothing(made.target);
  await unpackRelease(found, made.target, { entries: 3, bytes: 21_000_000 });
  truncateSync(made.archive, 0);
  truncateSync(made.archive, 300 * 1024 * 1024);
  await assert.rejects(verifyRelease(made), refuses('too_large'));
});

const damages: Readonly<Record<string, (tar: Buffer) => Buffer>> = {
  'is cut in an entry': (tar) => tar.subarray(0, 700),
  'has no end': (tar) => tar.subarray(0, -1024),
  'has half an end': (tar) => tar.subarray(0, -512),
  'continues after its end': (tar) => Buffer.concat([tar, Buffer.from('more')]),
  'has a wrong checksum': (tar) => Buffer.concat([tar.subarray(0, 10), Buffer.from('x'), tar.subarray(11)]),
  'has a size that is no number': (tar) => withSize(tar, 'zzzzzzzzzzz'),
  'has a negative size': (tar) => withSize(tar, '-0000000001'),
  'has a folder with content': (tar) => withSize(tar, '00000000012'),
  'is empty': () => Buffer.alloc(1024),
};

for (const [what, damage] of Object.entries(damages)) {
  test(`a signed archive that ${what} is refused and leaves nothing`, async () => {
    const made = await forged(damage);
    await assert.rejects(unpackRelease(await verifyRelease(made), made.target), refuses('damaged'));
    leavesNothing(made.target);
  });
}

test('what a killed process left is removed, and links in it are not followed', async () => {
  const made = await release();
  const left = join(scratch, `.${basename(made.target)}.partial`);
  const outside = join(scratch, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'kept'), '');
  mkdirSync(left);
  symlinkSync(outside, join(left, 'bin'));
  await unpackRelease(await verifyRelease(made), made.target);
  assert.deepEqual(readdirSync(outside), ['kept']);
  assert.deepEqual(readdirSync(made.target), ['package.json']);
});

test('release keys are read in PEM and in one line, several at once, and no other key is', async () => {
  const [a, b] = [createReleaseKey(), createReleaseKey()];
  const lines = parseReleaseKeys(`${a.publicKey}\n${b.publicKey}`).map(oneLineOf);
  assert.deepEqual(parseReleaseKeys(lines.join(', ')).map(oneLineOf), lines);
  const rsa = (await run('openssl', ['genpkey', '-algorithm', 'x25519'])).stdout;
  for (const text of ['', 'x', `${lines[0]}x`, a.privateKey, rsa, 'A'.repeat(20_000)])
    assert.throws(() => parseReleaseKeys(text), refuses('bad_key'));
});

/** A release whose archive has other bytes, with a valid signature. */
async function forged(change: (tar: Buffer) => Buffer) {
  const made = await release();
  const plain = join(made.folder, 'plain.tar');
  const { stdout } = await run('xz', ['-dc', made.archive], { encoding: 'buffer' });
  writeFileSync(plain, change(stdout));
  await run('xz', ['-1', plain]);
  copyFileSync(`${plain}.xz`, made.archive);
  signRelease(made.folder, [basename(made.archive)], made.key as ReleaseKeyPair);
  return made;
}

function withSize(tar: Buffer, size: string): Buffer {
  const changed = Buffer.from(tar);
  changed.write(size, 124);
  return Buffer.concat([settleChecksum(changed.subarray(0, 512)), changed.subarray(512)]);
}

function leavesNothing(target: string): void {
  assert.ok(!existsSync(target), target);
  assert.deepEqual(
    readdirSync(scratch).filter((name) => name.startsWith('.')),
    [],
  );
}
