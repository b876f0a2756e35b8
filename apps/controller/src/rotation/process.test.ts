import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ControllerProcess, testFolder } from '../testing/controller-process.ts';
import { parseRotation, rotationHelp } from './arguments.ts';

const main = fileURLToPath(new URL('../backup/main.ts', import.meta.url));

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `sally operator …`. */
function operator(...args: string[]): Promise<Result> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH ?? '', SALLYPORT_BACKUP_PASSPHRASE: 'a passphrase for tests' };
    execFile(process.execPath, [main, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

async function succeeds(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await operator(...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Sends a request to the operator's socket. Resolves with the answer; null when the controller ends before. */
function ask(dataDir: string, method: 'GET' | 'POST', path: string): Promise<Record<string, unknown> | null> {
  return new Promise((resolve) => {
    const sent = request({ socketPath: join(dataDir, 'operator.sock'), method, path }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.once('end', () => resolve(JSON.parse(text)));
      answer.once('error', () => resolve(null));
    });
    sent.once('error', () => resolve(null));
    sent.end();
  });
}

const keyLines = (dataDir: string): string[] => readFileSync(join(dataDir, 'master.key'), 'utf8').trim().split('\n');

async function tokens({ url }: ControllerProcess, key: string): Promise<string[]> {
  const answer = await fetch(`${url}/tenants/gateways`, { headers: { apikey: key } });
  assert.equal(answer.status, 200);
  return ((await answer.json()) as { token: string }[]).map(({ token }) => token).sort();
}

async function withGateways(t: TestContext, count: number) {
  const dataDir = testFolder(t);
  const controller = await ControllerProcess.start(t, dataDir);
  const key = controller.printedKey ?? '';
  const headers = { apikey: key, 'content-type': 'application/json' };
  for (let n = 0; n < count; n++) {
    const body = JSON.stringify({ name: `gateway ${n}`, wireguardPort: '51820' });
    assert.equal((await fetch(`${controller.url}/tenants/gateways`, { method: 'POST', headers, body })).status, 201);
  }
  return { dataDir, controller, key, before: await tokens(controller, key) };
}

test('a controller that is killed while it replaces its keys starts again, and ends the work when asked', async (t) => {
  const { dataDir, controller, key, before } = await withGateways(t, 5);
  const [old] = keyLines(dataDir);
  void ask(dataDir, 'POST', '/master-key/rotate');
  while (keyLines(dataDir).length < 2) await setImmediate();
  await controller.kill('SIGKILL');

  const second = await ControllerProcess.start(t, dataDir);
  assert.deepEqual(await tokens(second, key), before);
  const { shared, controllers } = JSON.parse(await succeeds('replicas', '--json', '--data-dir', dataDir));
  assert.deepEqual([shared, controllers.length, controllers[0].self, controllers[0].skewMs], [false, 1, true, 0]);
  assert.match(JSON.stringify(await ask(dataDir, 'GET', '/master-key')), /"unreadable":0/);
  const rotated = await succeeds('rotate-master-key', '--data-dir', dataDir);
  assert.match(rotated, /The master key was replaced/);
  const backup = join(testFolder(t), 'during');
  await succeeds('backup', backup, '--data-dir', dataDir);
  await succeeds('backup', '--verify', backup);
  const [fresh] = keyLines(dataDir);
  const finished = await succeeds('rotate-master-key', '--finish', '--data-dir', dataDir);
  assert.deepEqual(keyLines(dataDir), [fresh]);
  for (const text of [old, fresh]) assert.ok(!`${rotated}${finished}`.includes(text ?? ''), 'no key is printed');
  void ask(dataDir, 'POST', '/signing-key/rotate');
  await setImmediate();
  await second.kill('SIGKILL');

  const third = await ControllerProcess.start(t, dataDir);
  assert.deepEqual(await tokens(third, key), before);
  const status = await ask(dataDir, 'POST', '/signing-key/rotate');
  assert.deepEqual([status?.successions, status?.agents], [1, { followed: 0, waiting: 0 }]);
  const ended = await succeeds('rotate-signing-key', '--finish', '--data-dir', dataDir);
  assert.match(ended, /old signing key was forgotten/);
  const again = await ask(dataDir, 'POST', '/signing-key/finish');
  assert.match(String(again?.detail), /no signing key is being replaced/);
});

test('commands that replace keys say how to use them, and need a running controller', async (t) => {
  const dataDir = testFolder(t);
  const none = await operator('rotate-master-key', '--data-dir', dataDir);
  assert.match(none.stderr, /cannot reach the controller .*keys are replaced by the running controller/);
  assert.equal(none.code, 1);
  assert.ok(!existsSync(join(dataDir, 'master.key')));
  for (const key of ['master-key', 'signing-key'] as const) {
    assert.equal(parseRotation([`rotate-${key}`, '--help'], undefined)?.step, 'help');
    assert.match(rotationHelp[key], /--dry-run[\s\S]*--finish/);
    assert.throws(() => parseRotation([`rotate-${key}`, '--dry-run', '--finish'], undefined), /exclude each other/);
  }
  assert.equal(parseRotation(['backup', 'x'], undefined), null);
});
