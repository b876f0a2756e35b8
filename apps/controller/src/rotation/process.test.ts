import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ControllerProcess, testFolder } from '../testing/controller-process.ts';

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

/** Sends a request to the operator's socket whose answer may never come. */
function beginRotation(dataDir: string, key: 'master-key' | 'signing-key'): void {
  const sent = request({ socketPath: join(dataDir, 'operator.sock'), method: 'POST', path: `/${key}/rotate` });
  sent.once('response', (answer) => answer.resume());
  sent.on('error', () => undefined);
  sent.end();
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

test('a controller that is killed while it replaces its master key starts again, and ends the work when asked', async (t) => {
  const { dataDir, controller, key, before } = await withGateways(t, 20);
  const [old] = keyLines(dataDir);
  beginRotation(dataDir, 'master-key');
  while (keyLines(dataDir).length < 2) await setImmediate();
  await controller.kill('SIGKILL');

  const restarted = await ControllerProcess.start(t, dataDir);
  assert.deepEqual(await tokens(restarted, key), before);
  const look = await operator('rotate-master-key', '--dry-run', '--json', '--data-dir', dataDir);
  assert.equal(look.code, 0, look.stderr);
  const { secrets } = JSON.parse(look.stdout);
  assert.equal(secrets.unreadable, 0);
  const rotated = await operator('rotate-master-key', '--data-dir', dataDir);
  assert.match(rotated.stdout, /The master key was replaced/);
  const [fresh] = keyLines(dataDir);
  const finished = await operator('rotate-master-key', '--finish', '--data-dir', dataDir);
  assert.equal(finished.code, 0, finished.stderr);
  assert.deepEqual(keyLines(dataDir), [fresh]);
  for (const { stdout, stderr } of [look, rotated, finished])
    assert.ok(![old, fresh].some((text) => `${stdout}${stderr}`.includes(text ?? '')), 'no key is printed');
  await restarted.kill('SIGTERM');

  const last = await ControllerProcess.start(t, dataDir);
  assert.deepEqual(await tokens(last, key), before);
});

test('a controller that is killed while it replaces its signing key has one key, and the commands go on', async (t) => {
  const dataDir = testFolder(t);
  const controller = await ControllerProcess.start(t, dataDir);
  beginRotation(dataDir, 'signing-key');
  await setImmediate();
  await controller.kill('SIGKILL');
  await ControllerProcess.start(t, dataDir);
  const rotated = JSON.parse(await succeeds('rotate-signing-key', '--json', '--data-dir', dataDir));
  assert.notEqual(rotated.current, rotated.earlier);
  assert.deepEqual([rotated.successions, rotated.agents], [1, { followed: 0, waiting: 0 }]);
  assert.match(await succeeds('rotate-signing-key', '--dry-run', '--data-dir', dataDir), /Old key +\S{22}\n/);
  assert.match(
    await succeeds('rotate-signing-key', '--finish', '--data-dir', dataDir),
    /old signing key was forgotten/,
  );
  const again = await operator('rotate-signing-key', '--finish', '--data-dir', dataDir);
  assert.match(again.stderr, /no signing key is being replaced/);
});

test('backups from before and during a rotation hold the keys that they need', async (t) => {
  const { dataDir, before, key, controller } = await withGateways(t, 2);
  const folder = testFolder(t);
  const backUp = (name: string) => succeeds('backup', join(folder, name), '--data-dir', dataDir);
  await backUp('before');
  await succeeds('rotate-master-key', '--data-dir', dataDir);
  await backUp('during');
  await controller.kill('SIGTERM');
  await succeeds('backup', '--verify', join(folder, 'before'));
  const target = join(folder, 'restored');
  await succeeds('restore', join(folder, 'during'), '--data-dir', target);
  const started = await ControllerProcess.start(t, target);
  assert.deepEqual(await tokens(started, key), before);
});

test('commands that replace keys say how to use them, and need a running controller', async (t) => {
  const dataDir = testFolder(t);
  const help = await operator('rotate-master-key', '--help');
  assert.match(help.stdout, /--finish/);
  const none = await operator('rotate-master-key', '--data-dir', dataDir);
  assert.match(none.stderr, /cannot reach the controller .*keys are replaced by the running controller/);
  assert.equal(none.code, 1);
  const both = await operator('rotate-master-key', '--dry-run', '--finish');
  assert.match(both.stderr, /exclude each other/);
  assert.equal(both.code, 2);
  assert.ok(!existsSync(join(dataDir, 'master.key')));
});
