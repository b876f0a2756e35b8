import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { packArchive, sha256Of } from './archive.ts';

test('an archive depends on names, contents and the execute bit alone', async (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'sallyport-archive-'));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  const packed = async (names: readonly string[], mode: number, age: number) => {
    const folder = join(parent, 'package');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, 'bin'), { recursive: true });
    for (const name of names) {
      writeFileSync(join(folder, name), `content of ${name}`);
      chmodSync(join(folder, name), name.startsWith('bin/') ? mode | 0o100 : mode);
      utimesSync(join(folder, name), age, age);
    }
    await packArchive(parent, 'package', join(parent, 'out.tar.xz'), 1_000_000_000);
    return sha256Of(join(parent, 'out.tar.xz'));
  };
  const first = await packed(['a', 'b', 'bin/run'], 0o600, 1);
  assert.equal(await packed(['bin/run', 'b', 'a'], 0o664, 1_700_000_000), first);
  assert.notEqual(await packed(['a', 'bin/run'], 0o600, 1), first);
});
