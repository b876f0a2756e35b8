import assert from 'node:assert/strict';
import { readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, sally, spawnProgram } from './testing/run.ts';

test('install-path creates a link, accepts an existing one, and removes it', async (t) => {
  const dir = join(await folder(t), 'bin');
  const install = (...flags: string[]) =>
    sally(undefined, ['install-path', '--dir', dir, ...flags], { env: { PATH: dir } });
  const first = await install();
  assert.deepEqual([first.code, first.out], [0, '']);
  assert.match(await readlink(join(dir, 'sally')), /\/bin\/sally$/);
  assert.equal((await install()).code, 0);
  const works = await spawnProgram(join(dir, 'sally'), ['--version'], dir, {});
  assert.match(works.out, /^\d+\.\d+\.\d+\n$/);
  assert.equal((await install('--remove')).code, 0);
  await assert.rejects(stat(join(dir, 'sally')));
  assert.equal((await install('--remove')).code, 0);
  const elsewhere = await sally(undefined, ['install-path', '--dir', dir], { env: { PATH: '/bin' } });
  assert.match(elsewhere.err, /is not in PATH/);
});

test('install-path does not replace foreign files', async (t) => {
  const dir = await folder(t);
  await symlink('/somewhere/else', join(dir, 'sally'));
  for (const flags of [[], ['--remove']]) {
    const { code, err } = await sally(undefined, ['install-path', '--dir', dir, ...flags]);
    assert.deepEqual([code, /is a link to \/somewhere\/else/.test(err)], [5, true]);
  }
  const other = await folder(t);
  await writeFile(join(other, 'sally'), '');
  assert.equal((await sally(undefined, ['install-path', '--dir', other])).code, 5);
  assert.equal((await sally(undefined, ['install-path', '--dir', join(other, 'sally/below')])).code, 1);
});
