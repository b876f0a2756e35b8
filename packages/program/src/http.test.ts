import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

/** Internal modules of Node.js that a program has loaded after these imports. */
async function loadedBy(specifier: string): Promise<string[]> {
  const script = `await import(${JSON.stringify(specifier)}); console.log(JSON.stringify(process.moduleLoadList))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  return JSON.parse(stdout);
}

const fetchOfNode = /undici/;

test('node:http without an import statement leaves fetch of Node.js unloaded', async () => {
  const ours = await loadedBy(join(import.meta.dirname, 'http.ts'));
  assert.ok(ours.some((name) => /NativeModule http$/.test(name)));
  assert.deepEqual(
    ours.filter((name) => fetchOfNode.test(name)),
    [],
  );
  assert.ok((await loadedBy('node:http')).some((name) => fetchOfNode.test(name)));
});
