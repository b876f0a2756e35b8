import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '@sallyport/testkit';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Starts a program with a session of its own, which starts another, and never ends. */
const endless = `import { spawn } from 'node:child_process';
import { test } from 'node:test';
test('never ends', async () => {
  const started = new URL('started', import.meta.url).pathname;
  const script = \`sleep 600 & echo $$ $! >> '\${started}'; wait\`;
  spawn('sh', ['-c', script], { detached: true, stdio: 'ignore' });
  setInterval(() => {}, 1000);
  await new Promise(() => {});
});
`;

test('processes that a file has started end with it at its time limit', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-runner-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'endless.test.ts');
  const noted = join(folder, 'started');
  writeFileSync(file, endless);
  // The limit has to be long enough for the file to start its programs.
  for (let timeout = 1_000; !existsSync(noted); timeout *= 2) {
    const output = runWithLimit(folder, file, timeout);
    assert.match(output, /endless\.test\.ts was stopped: not finished after \d+ s/);
  }
  const pids = readFileSync(noted, 'utf8').trim().split(/\s+/).map(Number);
  t.after(() => pids.forEach(kill));
  assert.ok(pids.length >= 2);
  await until('all to end', () => !pids.some(isRunning));
});

function runWithLimit(folder: string, file: string, timeout: number): string {
  const pass = JSON.stringify({ files: [file], share: 1, alone: 1, timeout });
  const program = join(folder, 'program.ts');
  writeFileSync(
    program,
    `import { runPasses } from '${root}scripts/test-run.ts';
await runPasses([${pass}], new AbortController().signal);`,
  );
  const { stdout, stderr } = spawnSync(process.execPath, [program], {
    cwd: root,
    // The runner refuses to run as part of a test.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    encoding: 'utf8',
  });
  return stdout + stderr;
}

/** A process that has ended and that its parent has not asked about yet is not running. */
function isRunning(pid: number): boolean {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) && !/\) [ZX] /.test(readFileSync(path, 'latin1'));
}

function kill(pid: number): void {
  if (isRunning(pid)) process.kill(pid, 'SIGKILL');
}
