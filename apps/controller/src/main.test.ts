import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ControllerProcess, testFolder } from './testing/controller-process.ts';

const get = async (url: string, key?: string) => {
  const answer = await fetch(url, { headers: key === undefined ? {} : { apikey: key } });
  return { status: answer.status, text: await answer.text() };
};

/** A request over the operator's socket. */
function operator(
  dataDir: string,
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request({ socketPath: join(dataDir, 'operator.sock'), method, path, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    sent.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

test('the first start prints an address and a key, once; later starts keep what is there', async (t) => {
  const dataDir = testFolder(t);
  const first = await ControllerProcess.start(t, dataDir);
  const key = first.printedKey;
  assert.ok(key !== null, first.stdout);
  assert.equal((await get(`${first.url}/tenants/gateways`, key)).status, 200);
  assert.equal((await get(`${first.url}/readyz`)).status, 200);
  assert.equal(statSync(join(dataDir, 'operator.sock')).mode & 0o777, 0o600);
  assert.equal(statSync(join(dataDir, 'master.key')).mode & 0o777, 0o600);
  assert.equal(await first.kill('SIGTERM'), 0);
  const second = await ControllerProcess.start(t, dataDir, [], { SALLYPORT_BOOTSTRAP_API_KEY: 'b'.repeat(32) });
  assert.equal(second.printedKey, null);
  assert.match(second.stderr, /SALLYPORT_BOOTSTRAP_API_KEY is ignored/);
  assert.equal((await get(`${second.url}/tenants/gateways`, key)).status, 200);
  assert.equal((await get(`${second.url}/tenants/gateways`, 'b'.repeat(32))).status, 401);
  assert.equal(await second.kill('SIGINT'), 0);
});

test('the kernel keeps connections of thousands of agents that come back at once', async (t) => {
  const { url } = await ControllerProcess.start(t, testFolder(t));
  const socket = execFileSync('ss', ['-ltnH', 'sport', '=', `:${new URL(url).port}`], { encoding: 'utf8' });
  const most = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
  assert.equal(Number(socket.trim().split(/\s+/)[2]), Math.min(4096, most), socket);
});

test('a second controller on the same data directory, or the same port, says what is wrong', async (t) => {
  const dataDir = testFolder(t);
  const first = await ControllerProcess.start(t, dataDir);
  const second = await ControllerProcess.start(t, dataDir);
  assert.deepEqual([second.exitCode, second.stdout], [1, '']);
  assert.equal(second.stderr, `another controller uses this data directory: ${dataDir}\n`);
  const third = await ControllerProcess.start(t, testFolder(t), ['--listen', new URL(first.url).host]);
  assert.equal(third.exitCode, 1);
  assert.match(third.stderr, /port \d+ of 127\.0\.0\.1 is in use: choose another with --listen/);
  assert.equal((await get(`${first.url}/readyz`)).status, 200);
});

test('a database without its master key is refused, and no new key is made', async (t) => {
  const dataDir = testFolder(t);
  await (await ControllerProcess.start(t, dataDir)).kill('SIGTERM');
  const other = join(testFolder(t), 'absent.key');
  const named = await ControllerProcess.start(t, dataDir, ['--master-key-file', other]);
  assert.match(named.stderr, /SALLYPORT_MASTER_KEY_FILE: there is no file/);
  rmSync(join(dataDir, 'master.key'));
  const without = await ControllerProcess.start(t, dataDir);
  assert.equal(without.exitCode, 1);
  assert.match(without.stderr, /master\.key/);
  writeFileSync(join(dataDir, 'master.key'), 'f'.repeat(64));
  assert.match((await ControllerProcess.start(t, dataDir)).stderr, /the master key does not fit this database/);
});

test('the operator makes tenants and keys over the socket', async (t) => {
  const dataDir = testFolder(t);
  const controller = await ControllerProcess.start(t, dataDir);
  const created = await operator(dataDir, 'POST', '/tenants', { name: 'acme' });
  assert.equal(created.status, 201, created.text);
  const { tenant, apiKey } = JSON.parse(created.text);
  assert.deepEqual([tenant.name, apiKey.role], ['acme', 'OWNER']);
  assert.equal((await get(`${controller.url}/tenants/api-keys`, apiKey.key)).status, 200);
  const list = JSON.parse((await operator(dataDir, 'GET', '/tenants')).text);
  assert.deepEqual(
    list.map(({ name }: { name: string }) => name),
    ['default', 'acme'],
  );
  const key = JSON.parse(
    (await operator(dataDir, 'POST', `/tenants/${tenant.id}/api-keys`, { name: 'again', role: 'AUDITOR' })).text,
  );
  assert.equal((await get(`${controller.url}/tenants/gateways`, key.key)).status, 200);
  const bad = await operator(dataDir, 'POST', '/tenants', { name: '', extra: 1 });
  assert.equal(bad.status, 400);
  assert.deepEqual(
    JSON.parse(bad.text)
      .errors.map(({ pointer }: { pointer: string }) => pointer)
      .sort(),
    ['/extra', '/name'],
  );
  assert.equal(
    (await operator(dataDir, 'POST', '/tenants/00000000-0000-4000-8000-000000000000/api-keys', { name: 'x' })).status,
    404,
  );
});

test('no secret reaches the log, not even when everything is logged', async (t) => {
  const controller = await ControllerProcess.start(t, testFolder(t), ['--log-level', 'trace']);
  const key = controller.printedKey ?? '';
  const body = JSON.stringify({ name: 'x', wireguardPort: '51820' });
  const made = await fetch(`${controller.url}/tenants/gateways?apikey=${key}`, {
    method: 'POST',
    headers: { apikey: key, 'content-type': 'application/json' },
    body,
  });
  assert.equal(made.status, 400);
  const good = await fetch(`${controller.url}/tenants/gateways`, {
    method: 'POST',
    headers: { apikey: key, 'content-type': 'application/json' },
    body,
  });
  const { token } = (await good.json()) as { token: string };
  await controller.kill('SIGTERM');
  assert.match(controller.stderr, /"status":201/);
  assert.ok(!controller.stderr.includes(key));
  assert.ok(!controller.stderr.includes(token));
});

test('a controller goes on when the reader of its output has ended, and stops in order', async (t) => {
  const controller = await ControllerProcess.start(t, testFolder(t), ['--log-level', 'trace']);
  const key = controller.printedKey ?? '';
  controller.closeOutputs();
  for (let i = 0; i < 3; i++) assert.equal((await get(`${controller.url}/tenants/gateways`, key)).status, 200);
  const ended = controller.kill('SIGINT');
  await pause(10);
  void controller.kill('SIGINT');
  assert.equal(await ended, 0);
});
