import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { writeImageOn } from '../../build/image.ts';

const run = promisify(execFile);

test('an image runs without root, its digests are right, and equal input gives equal bytes', async (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'sallyport-image-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const [system, folder] = [join(parent, 'system'), join(parent, 'folder')];
  for (const path of [join(system, 'usr/lib64'), join(system, 'usr/share/doc/libc6'), join(folder, 'bin')])
    mkdirSync(path, { recursive: true });
  for (const path of ['usr/lib64/libc.so', 'usr/share/doc/libc6/copyright', 'usr/share/doc/libc6/changelog.gz'])
    writeFileSync(join(system, path), path);
  symlinkSync('libc.so', join(system, 'usr/lib64/libc.so.6'));
  writeFileSync(join(folder, 'bin/node'), 'node', { mode: 0o755 });
  const input = { folder, processor: 'arm64', at: 1_000_000_000 } as const;
  for (const name of ['a.tar', 'b.tar']) await writeImageOn(system, join(parent, name), input);
  assert.ok(readFileSync(join(parent, 'a.tar')).equals(readFileSync(join(parent, 'b.tar'))));

  const layout = join(parent, 'layout');
  mkdirSync(layout);
  await run('tar', ['-xf', join(parent, 'a.tar'), '-C', layout]);
  const blob = ({ digest, size }: { digest: string; size: number }) => {
    const bytes = readFileSync(join(layout, 'blobs', digest.replace(':', '/')));
    assert.equal(digestOf(bytes), digest);
    assert.equal(bytes.length, size);
    return bytes;
  };
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  const manifest = JSON.parse(blob(index.manifests[0]).toString());
  const config = JSON.parse(blob(manifest.config).toString());
  const layers: Buffer[] = manifest.layers.map((layer: { digest: string; size: number }) => gunzipSync(blob(layer)));
  assert.deepEqual(config.rootfs.diff_ids, layers.map(digestOf));
  assert.equal(config.architecture, 'arm64');
  assert.equal(config.config.User, '65532:65532');

  const files: string[] = [];
  for (const [number, layer] of layers.entries()) {
    writeFileSync(join(parent, `${number}.tar`), layer);
    const { stdout } = await run('tar', ['-tvf', join(parent, `${number}.tar`), '--numeric-owner']);
    files.push(...stdout.trim().split('\n'));
  }
  const has = (pattern: RegExp) => files.some((line) => pattern.test(line));
  assert.ok(has(/^drwx------ 65532\/65532 .* var\/lib\/sallyport\/$/), 'data belongs to the user of the image');
  assert.ok(has(/^lrwxrwxrwx 0\/0 .* usr\/lib64\/libc\.so\.6 -> libc\.so$/));
  assert.ok(has(/^lrwxrwxrwx 0\/0 .* lib64 -> usr\/lib64$/));
  assert.ok(has(/^-rwxr-xr-x 0\/0 .* usr\/lib\/sallyport\/bin\/node$/));
  assert.ok(has(/doc\/libc6\/copyright$/) && !has(/changelog/));
});

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
