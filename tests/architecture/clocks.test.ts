import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTestCode, places, readSources } from './workspace.ts';

const home = 'apps/controller/src/';

/**
 * Uses of the clock of the machine in the controller, and why the time of the database is not meant. What is stored, signed
 * or compared with something stored is asked of `store.now`: several controllers on machines with different clocks share it.
 */
const ALLOWED: Readonly<Record<string, readonly [uses: number, why: string]>> = {
  'any-database.ts': [1, 'the embedded database has the clock of this machine'],
  'backup/main.ts': [1, 'a backup is brought back while no controller runs'],
  'config.ts': [1, 'clients judge the TLS certificate by clocks of their own'],
  'data-directory.ts': [1, 'the embedded database has the clock of this machine'],
  'db/postgres/elapsed.ts': [1, 'a clock that was set is told from a machine that was suspended'],
  'db/postgres/open.ts': [1, 'it is compared with the clock of the database'],
  'start.ts': [1, 'backups are made of the embedded database'],
};

const files = readSources().filter(({ path }) => path.startsWith(home) && !isTestCode(path));

test('the controller asks the database for the time, and this machine only where that is meant', () => {
  const clock = /\bDate\s*\.\s*now\b|\bnew\s+Date\s*\(\s*\)|(?<!new\s+)(?<![\w$.])Date\s*\(/g;
  const found = files.flatMap((file) => {
    const uses = places(file, clock).length;
    return uses === 0 ? [] : [[file.path.slice(home.length), uses] as const];
  });
  const allowed = Object.entries(ALLOWED).map(([path, [uses]]) => [path, uses]);
  assert.deepEqual(found.toSorted(), allowed.toSorted(), 'use store.now, or say here why it is not meant');
});
