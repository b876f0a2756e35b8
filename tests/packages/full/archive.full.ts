import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { version } from '@sallyport/program/place';
import { parseReleaseKeys, processors, releaseKeyFile, unpackRelease, verifyRelease } from '@sallyport/release';
import { Cleanup, exec } from '@sallyport/testkit';
import { memoryFolder, signedBuild } from './fixtures.ts';

const processor = processors[process.arch] ?? 'amd64';

test('the real archive is checked and unpacked, and a full disk in the middle leaves nothing', async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const folder = await signedBuild();
  const keys = parseReleaseKeys(readFileSync(join(folder, releaseKeyFile), 'utf8'));
  const release = await verifyRelease({ folder, keys, processor, version });

  const disk = await memoryFolder('400m', cleanup);
  await unpackRelease(release, join(disk, version));
  assert.equal((await exec(join(disk, version, 'bin/sally'), ['--version'])).trim(), version);
  assert.match(await exec(join(disk, version, 'bin/wireguard-go'), ['--version']), /^wireguard-go v0\.0\.2023/);

  const small = await memoryFolder('40m', cleanup);
  await assert.rejects(unpackRelease(release, join(small, version)), { problem: 'no_space' });
  assert.deepEqual(readdirSync(small), []);
});
