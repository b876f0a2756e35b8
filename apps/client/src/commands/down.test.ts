import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const skip = process.getuid?.() === 0 ? false : 'only root can become another user';
const nobody = 65_534;

const programs: readonly (readonly [what: string, args: readonly string[]])[] = [
  ['sally down', [fileURLToPath(new URL('../main.ts', import.meta.url)), 'down']],
];

for (const [what, args] of programs)
  test(`${what} without root suggests sudo`, { skip }, (t) => {
    const stateDir = mkdtempSync(join(tmpdir(), 'sally-down-'));
    t.after(() => rmSync(stateDir, { recursive: true }));
    chmodSync(stateDir, 0o700);
    for (const json of [[], ['--json']]) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [...args, '--state-dir', stateDir, ...json], {
        ...{ uid: nobody, gid: nobody, encoding: 'utf8', cwd: '/', env: {} },
      });
      assert.deepEqual([status, stdout], [1, ''], stderr);
      assert.match(stderr, /belongs to another user: run the command as root \(sudo sally down\)/);
      assert.doesNotMatch(stderr, /EACCES/);
    }
  });
