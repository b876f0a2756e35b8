import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

const steady = "test('works', () => {});";
const broken = "test('is broken', () => assert.fail('it is always wrong'));";
/** Fails in the first run only, because it leaves a mark behind. */
const unsteady = `test('is slow at first', () => {
  const mark = new URL('mark', import.meta.url);
  if (existsSync(mark)) return;
  writeFileSync(mark, '');
  assert.fail('too slow today:\\n  the answer took two seconds');
});`;

/** Runs `scripts/test.ts` over one test file for each body. */
function runTests(t: TestContext, bodies: Record<string, string>, env: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'sp-runner-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const imports = `import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
`;
  for (const [name, body] of Object.entries(bodies)) writeFileSync(join(folder, `${name}.test.ts`), imports + body);
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/test.ts', folder], {
    cwd: root,
    // The runner refuses to run as part of a test.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env },
    encoding: 'utf8',
  });
  const lines = stdout.trimEnd().split('\n');
  return { status, output: stdout + stderr, lines, last: lines.at(-1) };
}

test('a file that fails once and then passes is reported as unsteady, with the failed test', (t) => {
  const run = runTests(t, { steady, unsteady });
  assert.equal(run.last, '2 passed, 0 failed, 0 skipped, unsteady 1', run.output);
  assert.match(
    run.lines.at(-2) ?? '',
    /^unsteady: .*unsteady\.test\.ts failed at first, then passed alone: is slow at first: too slow today: the answer took two seconds$/,
  );
  assert.equal(run.status, 0);
});

test('an unsteady file does not fail the run on a build server', (t) => {
  const run = runTests(t, { unsteady }, { CI: 'true' });
  assert.equal(run.last, '1 passed, 0 failed, 0 skipped, unsteady 1', run.output);
  assert.equal(run.status, 0);
});

test('a file that fails twice fails the run and is not unsteady', (t) => {
  const run = runTests(t, { steady, broken });
  assert.equal(run.last, '1 passed, 1 failed, 0 skipped, unsteady 0', run.output);
  assert.doesNotMatch(run.output, /unsteady: /);
  assert.match(run.output, /it is always wrong/);
  assert.equal(run.status, 1);
});

test('a run without failures reports no unsteady file', (t) => {
  const run = runTests(t, { steady });
  assert.equal(run.last, '1 passed, 0 failed, 0 skipped, unsteady 0', run.output);
  assert.doesNotMatch(run.output, /unsteady: /);
  assert.equal(run.status, 0);
});
