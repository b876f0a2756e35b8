import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { assetFolder } from '@sallyport/program/place';
import { programNames, writeBundle } from './bundle.ts';

const skip = existsSync(assetFolder('console')) ? false : 'the console is not built: node apps/console/build.ts';

/** The files that a program loads at its start: its own, and those that import statements lead to. */
function loadedAtStart(folder: string, file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const code = readFileSync(join(folder, file), 'utf8');
  for (const [, next = ''] of code.matchAll(/\b(?:from|import)"\.\/([\w.-]+)"/g)) loadedAtStart(folder, next, found);
  return found;
}

test('the code of a package is cheap to load', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bundle-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await writeBundle(folder);
  const programs = join(folder, 'programs');

  await t.test('it is ASCII, so V8 keeps one byte for each character', () => {
    const files = readdirSync(programs).filter((name) => name.endsWith('.js'));
    assert.ok(files.length > programNames.length);
    for (const name of files)
      assert.ok(
        readFileSync(join(programs, name)).every((byte) => byte < 0x80),
        name,
      );
  });

  await t.test('notices that stand in comments of libraries are kept', () => {
    assert.match(readFileSync(join(programs, 'NOTICES.txt'), 'utf8'), /formdata-polyfill\. MIT License/);
  });

  await t.test('no program loads fetch of Node.js at its start by an import statement of node:http', () => {
    for (const name of programNames) {
      const files = [...loadedAtStart(programs, `${name}.js`)];
      const loads = files.filter((file) => /from"(node:)?http"/.test(readFileSync(join(programs, file), 'utf8')));
      assert.deepEqual(loads, [], name);
    }
    assert.ok(loadedAtStart(programs, 'controller.js').size > 1, 'the controller shares files');
  });
});
