import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Cleanup, Daemon, exec, uniqueTag, until, whyNoNamespaces } from '@sallyport/testkit';

const skip = whyNoNamespaces() ?? false;
const root = fileURLToPath(new URL('../../', import.meta.url));

/** A test file that creates a namespace, starts a process inside it and one outside, and then waits forever. */
function endlessTest(t: TestContext) {
  const [folder, tag] = [mkdtempSync(join(tmpdir(), 'sp-runner-')), uniqueTag()];
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'endless.test.ts');
  writeFileSync(
    file,
    `import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Cleanup, Namespace } from '${root}packages/testkit/src/index.ts';
test('waits for ever', async () => {
  await Namespace.create('sp-${tag}-left', new Cleanup());
  const inside = spawn('ip', ['netns', 'exec', 'sp-${tag}-left', 'sleep', '600'], { detached: true, stdio: 'ignore' });
  const outside = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
  writeFileSync('${folder}/pids', [inside.pid, outside.pid].join(' '));
  writeFileSync('${folder}/ready', '');
  setInterval(() => {}, 1000);
  await new Promise(() => {});
});
`,
  );
  return { folder, file, tag };
}

for (const [how, signals, gapMs] of [
  ['twice within 10 ms', 2, 10],
  ['three times within a second', 3, 60],
] as const) {
  test(`a test run that is interrupted ${how} leaves no process and no namespace`, { skip }, async (t) => {
    const { folder, file, tag } = endlessTest(t);
    const child = spawn('sh', ['scripts/test.sh', file], {
      cwd: root,
      detached: true,
      // The runner refuses to run as part of a test.
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.after(() => child.kill('SIGKILL'));
    let output = '';
    let closed = false;
    child.on('close', () => {
      closed = true;
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => {
        output += data.toString();
      });
    const running = () => child.exitCode === null && child.signalCode === null;
    await until('the test to wait', () => existsSync(join(folder, 'ready')) || !running(), { timeoutMs: 60_000 });
    assert.ok(running(), output);
    const pids = (await exec('cat', [join(folder, 'pids')])).split(' ');
    for (let i = 0; i < signals && running(); i++) {
      process.kill(-(child.pid ?? 0), 'SIGINT');
      await pause(gapMs);
    }
    await until('the run to end, and its output', () => closed, { timeoutMs: 60_000 });
    // It may have stopped in order before the third signal.
    assert.ok(
      child.exitCode === 1 || (signals === 3 && child.exitCode === 130),
      `${child.exitCode ?? child.signalCode}: ${output}`,
    );
    await until('its processes to be gone', () => pids.every((pid) => !existsSync(`/proc/${pid}`)));
    assert.ok(!(await exec('ip', ['netns', 'list'])).includes(tag));
  });
}

test('a benchmark interrupted twice ends its controller and removes its folder', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-runner-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const bench = Daemon.start([join(root, 'bench/main.ts'), 'users'], { cleanup, env: { TMPDIR: folder } });
  const made = () => readdirSync(folder).filter((name) => name.startsWith('sallyport-bench-'));
  await until('a controller', () => made().some((name) => existsSync(join(folder, name, 'operator.sock'))));
  const ended = bench.kill('SIGINT');
  await pause(10);
  bench.child.kill('SIGINT');
  await ended;
  assert.equal(bench.child.exitCode, 130, bench.output);
  assert.deepEqual(made(), []);
});
