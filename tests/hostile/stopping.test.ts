import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, type NetConnectOpts, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { channelPath } from '@sallyport/contract/channel';
import { WebSocket } from 'ws';
import { ControllerProcess, testFolder } from '../../apps/controller/src/testing/controller-process.ts';
import { selfSigned } from './certificate.ts';

/** A client that sends given text, and reads only on demand. */
async function client(t: TestContext, to: NetConnectOpts, text: string): Promise<Socket> {
  const socket = createConnection(to);
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  if (text !== '') await new Promise((resolve) => socket.write(text, resolve));
  return socket;
}

const head = (method: string, path: string, key: string, more = '') =>
  `${method} ${path} HTTP/1.1\r\nhost: controller\r\napikey: ${key}\r\n${more}\r\n`;

const halfBody = (path: string, key: string) =>
  `${head('POST', path, key, 'content-type: application/json\r\ncontent-length: 100\r\n')}{"na`;

async function endsCleanly(controller: ControllerProcess): Promise<void> {
  assert.equal(await controller.kill('SIGTERM'), 0, controller.stderr);
  assert.doesNotMatch(controller.stderr, /"level":[56]0/);
}

test('a stop ends clients that never finish a request', async (t) => {
  const dataDir = testFolder(t);
  const controller = await ControllerProcess.start(t, dataDir);
  const key = controller.printedKey ?? '';
  const { hostname: host, port } = new URL(controller.url);
  const tcp = { host, port: Number(port) };
  const operator = { path: join(dataDir, 'operator.sock') };
  await client(t, tcp, '');
  await client(t, tcp, 'GET /tenants/gateways HTTP/1.1\r\nhost: x');
  await client(t, tcp, halfBody('/tenants/gateways', key));
  await client(t, operator, '');
  await client(t, operator, 'GET /tenants HTTP/1.1\r\n');
  await client(t, operator, halfBody('/tenants', key));
  const idle = await client(t, tcp, head('GET', '/healthz', key));
  await once(idle, 'data');
  // It reads nothing of a long answer, however often it sends the request.
  const slow = await client(t, tcp, head('GET', '/openapi.json', key).repeat(40));
  slow.pause();
  const stream = await fetch(`${controller.url}/tenants/changes`, { headers: { apikey: key } });
  assert.equal(stream.status, 200);
  const silent = new WebSocket(`ws://${host}:${port}${channelPath}`);
  silent.on('error', () => undefined);
  await once(silent, 'open');
  silent.pause();
  await endsCleanly(controller);
});

test('a stop ends stalled TLS handshakes', async (t) => {
  const { certFile, keyFile } = selfSigned(testFolder(t));
  const args = ['--tls-cert-file', certFile, '--tls-key-file', keyFile];
  const controller = await ControllerProcess.start(t, testFolder(t), args);
  const { hostname: host, port } = new URL(controller.url);
  await client(t, { host, port: Number(port) }, '');
  // The head of a record of 512 bytes that never follow.
  await client(t, { host, port: Number(port) }, '\x16\x03\x01\x02\x00');
  await endsCleanly(controller);
});

test('a stop keeps every acknowledged write', async (t) => {
  const dataDir = testFolder(t);
  const first = await ControllerProcess.start(t, dataDir);
  const key = first.printedKey ?? '';
  const acknowledged: string[] = [];
  const headers = { apikey: key, 'content-type': 'application/json' };
  const write = async (writer: number) => {
    for (let count = 0; ; count++) {
      const name = `group ${writer} ${count}`;
      const answer = await fetch(`${first.url}/tenants/groups`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ name, roles: [] }),
      }).catch(() => null);
      if (answer?.status !== 201) return;
      acknowledged.push(name);
      if (acknowledged.length === 40) stopped = endsCleanly(first);
    }
  };
  let stopped: Promise<void> | undefined;
  await Promise.all(Array.from({ length: 4 }, (_, writer) => write(writer)));
  await (stopped ?? assert.fail('it ended before it was told to'));
  const second = await ControllerProcess.start(t, dataDir);
  const names = new Set<string>();
  for (let offset = 0; offset < acknowledged.length + 100; offset += 100) {
    const answer = await fetch(`${second.url}/tenants/groups?limit=100&offset=${offset}`, { headers });
    const { data } = (await answer.json()) as { data: { name: string }[] };
    for (const { name } of data) names.add(name);
  }
  assert.deepEqual(
    acknowledged.filter((name) => !names.has(name)),
    [],
  );
});
