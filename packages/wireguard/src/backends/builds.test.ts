import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { chooseBuild, slowness } from './builds.ts';

/** Creates directories, each with a program that prints the given version. */
function installed(t: TestContext, versions: Record<string, string>): { folder: string; path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'sp-builds-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, says] of Object.entries(versions)) {
    mkdirSync(join(folder, name));
    const file = join(folder, name, 'wireguard-go');
    writeFileSync(file, `#!/bin/sh\n[ "$1" = --version ] && echo '${says}'\n`);
    chmodSync(file, 0o755);
  }
  const path = [...Object.keys(versions).map((name) => join(folder, name)), '/usr/bin', '/bin'];
  return { folder, path: path.slice(0, Object.keys(versions).length).join(':') };
}

test('the newest build is used, in any directory of the path', async (t) => {
  const { folder, path } = installed(t, {
    first: 'wireguard-go v0.0.20220316',
    second: 'wireguard-go 0.0.20250522',
    third: 'wireguard-go v0.0.20230223',
    wrapper: 'hello',
  });
  const program = join(folder, 'second', 'wireguard-go');
  assert.deepEqual(await chooseBuild({ path }), { program, date: 20250522 });
  symlinkSync(program, join(folder, 'wireguard-go'));
  const linked = `${join(folder, 'first')}:${folder}:${join(folder, 'second')}`;
  assert.equal((await chooseBuild({ path: linked })).program, join(folder, 'wireguard-go'));
});

test('the first build in the path is called by its name', async (t) => {
  const { path } = installed(t, { one: 'wireguard-go v0.0.20230223', other: 'wireguard-go v0.0.20230223' });
  assert.deepEqual(await chooseBuild({ path }), { program: 'wireguard-go', date: 20230223 });
});

test('a named program is used even if a newer build exists', async (t) => {
  const { folder, path } = installed(t, { one: 'wireguard-go v0.0.20250522', mine: 'my own' });
  const named = join(folder, 'mine', 'wireguard-go');
  assert.deepEqual(await chooseBuild({ path, named }), { program: named, date: null });
  for (const wrong of ['wireguard-go', join(folder, 'none')])
    await assert.rejects(chooseBuild({ path, named: wrong }), {
      code: 'missing-tool',
      message: /is not a program for/,
    });
  await assert.rejects(chooseBuild({ path: folder }), { code: 'missing-tool' });
});

test('an old build is reported with its cost', () => {
  assert.match(slowness({ program: 'wireguard-go', date: 20220316 }) ?? '', /build of 2022.*3 instead of 0\.6 Gbit\/s/);
  for (const date of [20230223, 20250522, null]) assert.equal(slowness({ program: 'wireguard-go', date }), null);
});
