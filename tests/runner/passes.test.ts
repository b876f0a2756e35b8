import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Notes when it starts and ends. It ends when `NEXT` has started, if there is one. */
const noting = `import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
const notes = new URL('notes', import.meta.url);
const name = basename(import.meta.filename, '.test.ts');
test('runs', async () => {
  appendFileSync(notes, 'start ' + name + '\\n');
  while (NEXT !== '' && !readFileSync(notes, 'utf8').includes('start ' + NEXT)) await new Promise((resolve) => setTimeout(resolve, 10));
  appendFileSync(notes, 'end ' + name + '\\n');
});
`;

/** Runs passes of files by name, each with the file that it waits for. Returns the notes, in order. */
function runPasses(t: TestContext, passes: { files: Record<string, string>; share: number; alone: number }[]) {
  const folder = mkdtempSync(join(tmpdir(), 'sp-runner-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const placed = passes.map((pass) => {
    const files = Object.entries(pass.files).map(([name, next]) => {
      const file = join(folder, `${name}.test.ts`);
      writeFileSync(file, noting.replaceAll('NEXT', JSON.stringify(next)));
      return file;
    });
    return { ...pass, files, timeout: 60_000 };
  });
  const program = join(folder, 'program.ts');
  const code = `import { runPasses } from '${root}scripts/test-run.ts';
const { failed } = await runPasses(${JSON.stringify(placed)}, new AbortController().signal);
process.exitCode = failed;`;
  writeFileSync(program, code);
  // The runner refuses to run as part of a test.
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  const { status, stdout, stderr } = spawnSync(process.execPath, [program], { cwd: root, env, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  return readFileSync(join(folder, 'notes'), 'utf8').trim().split('\n');
}

test('passes run side by side, each within its share, and the last one takes the place of the others', (t) => {
  const notes = runPasses(t, [
    { files: { a1: 'b1', a2: '' }, share: 1, alone: 1 },
    // The last two wait for each other, so both have to run at once.
    { files: { b1: 'a1', b2: 'b3', b3: 'b2' }, share: 1, alone: 2 },
  ]);
  assert.equal(notes.length, 10);
  const at = (note: string) => notes.indexOf(note);
  assert.ok(at('start a2') > at('end a1'), notes.join());
  assert.ok(at('start b2') > at('end b1'), notes.join());
});

test('long files start first, and exist', async () => {
  const { longestFirst, longFiles }: Order = await import(pathToFileURL(join(root, 'scripts/test-order.ts')).href);
  const [longest = '', second = ''] = longFiles;
  assert.deepEqual(longestFirst(['a.test.ts', second, 'b.test.ts', longest]), [
    longest,
    second,
    'a.test.ts',
    'b.test.ts',
  ]);
  assert.deepEqual(
    longFiles.filter((file) => !existsSync(join(root, file))),
    [],
  );
});

interface Order {
  readonly longFiles: readonly string[];
  longestFirst(files: readonly string[]): string[];
}
