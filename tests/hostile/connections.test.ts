import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '@sallyport/testkit';
import { newAgent, ScriptedAgent } from '../../apps/controller/src/channel/testing/scripted-agent.ts';
import { ControllerProcess, testFolder } from '../../apps/controller/src/testing/controller-process.ts';
import { selfSigned } from './certificate.ts';

const descriptors = 400;

/** A controller with a low limit of open files. */
const smallController = (t: TestContext, dataDir: string, args: readonly string[] = []) =>
  ControllerProcess.start(t, dataDir, args, {}, ['prlimit', `--nofile=${descriptors}:${descriptors}`]);

/** Connects from this many loopback addresses in turn; connections that ended at once count too. */
async function crowd(t: TestContext, port: number, count: number, addresses: readonly string[], text = '') {
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let at = 0; at < count; at++) {
    const socket = createConnection({ port, host: '127.0.0.1', localAddress: addresses[at % addresses.length] });
    sockets.push(socket.on('error', () => undefined));
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
    if (text !== '') socket.write(text);
  }
  return sockets;
}

async function get(port: number, path: string, headers: Record<string, string>, localAddress = '127.0.0.1') {
  const sent = request({ host: '127.0.0.1', port, path, headers, localAddress, agent: false }).end();
  const [answer] = await once(sent, 'response');
  answer.resume();
  return answer.statusCode as number;
}

function operatorStatus(dataDir: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: join(dataDir, 'operator.sock'), path: '/tenants' }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.on('error', reject).end();
  });
}

async function enrolled(controller: ControllerProcess, port: number): Promise<ScriptedAgent> {
  const answer = await fetch(`${controller.url}/tenants/gateways`, {
    method: 'POST',
    headers: { apikey: controller.printedKey ?? '', 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'honest', wireguardPort: '51820' }),
  });
  const { id, token } = (await answer.json()) as { id: string; token: string };
  return ScriptedAgent.connect(port, newAgent(id, token));
}

const shapes = {
  'say nothing': '',
  'become WebSockets and say nothing':
    'GET /agent/channel HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n' +
    'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  'never finish a request': 'POST /tenants/gateways HTTP/1.1\r\nhost: x\r\n',
};

for (const [what, text] of Object.entries(shapes))
  for (const [who, addresses] of [
    ['of one source', ['127.0.0.2']],
    ['of many sources', Array.from({ length: 200 }, (_, at) => `127.0.1.${at + 1}`)],
  ] as const)
    test(`600 connections ${who} that ${what} do not block others`, async (t) => {
      const dataDir = testFolder(t);
      const controller = await smallController(t, dataDir);
      const port = Number(new URL(controller.url).port);
      const agent = await enrolled(controller, port);
      await crowd(t, port, 600, addresses, text);
      const headers = { apikey: controller.printedKey ?? '' };
      assert.equal(await get(port, '/tenants/gateways', headers), 200);
      // At once, or on one of the next attempts: a connection that just began is not ended for it.
      await until(
        'an answer to an address that was never here',
        async () => (await get(port, '/healthz', {}, '127.0.3.1')) === 200,
      );
      assert.equal(await operatorStatus(dataDir), 200);
      assert.equal(agent.closeCode, null, 'an agent keeps its connection');
      const { token: _, ...enrolledBefore } = agent.identity;
      const back = await ScriptedAgent.connect(port, enrolledBefore);
      assert.equal(back.closeCode, null, 'and one that comes back gets another');
      assert.equal(await controller.kill('SIGTERM'), 0);
    });

test('the source with most connections is served too, on its newest connection', async (t) => {
  const controller = await smallController(t, testFolder(t));
  const port = Number(new URL(controller.url).port);
  await crowd(t, port, 600, ['127.0.0.1']);
  assert.equal(await get(port, '/healthz', {}), 200);
  assert.match(controller.stderr, /too many connections: some are refused or ended/);
});

test('connections of a trusted proxy do not count as one source', async (t) => {
  const controller = await smallController(t, testFolder(t), ['--trusted-proxies', '127.0.0.1']);
  const port = Number(new URL(controller.url).port);
  const half = (client: number) =>
    `POST /tenants/gateways HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.${client}\r\ncontent-length: 9\r\n\r\n`;
  const open: Socket[] = [];
  for (let client = 1; client <= 120; client++) open.push(...(await crowd(t, port, 1, ['127.0.0.1'], half(client))));
  assert.equal(await get(port, '/healthz', { 'x-forwarded-for': '192.0.2.200' }), 200);
  assert.equal(open.filter(({ destroyed }) => destroyed).length, 0);
});

test('one client behind a trusted proxy has its share', async (t) => {
  const controller = await smallController(t, testFolder(t), ['--trusted-proxies', '127.0.0.1']);
  const port = Number(new URL(controller.url).port);
  const half = 'POST /tenants/gateways HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.1\r\ncontent-length: 9\r\n';
  const key = `apikey: ${controller.printedKey}\r\ncontent-type: application/json\r\n`;
  const sockets = await crowd(t, port, 100, ['127.0.0.1'], `${half}${key}\r\n`);
  await until('its oldest ones to end', () => sockets.filter(({ closed }) => closed).length >= 60);
  assert.equal(sockets.at(-1)?.closed, false);
});

test('a failed accept ends nothing', async (t) => {
  const controller = await smallController(t, testFolder(t));
  const port = Number(new URL(controller.url).port);
  const limit = (soft: number) =>
    execFileSync('prlimit', ['--pid', `${controller.pid}`, `--nofile=${soft}:${descriptors}`]);
  // The process then seems to have all its files open: the lowest free descriptor is the first that is refused.
  const open = new Set(readdirSync(`/proc/${controller.pid}/fd`).map(Number));
  let free = 0;
  while (open.has(free)) free++;
  limit(free);
  const sockets = await crowd(t, port, 20, ['127.0.0.1']);
  await until('the connections to end', () => sockets.every(({ closed }) => closed));
  limit(descriptors);
  assert.equal(await get(port, '/healthz', {}), 200);
  assert.equal(await controller.kill('SIGTERM'), 0);
});

test('stalled TLS handshakes do not block others', async (t) => {
  const { certFile, keyFile } = selfSigned(testFolder(t));
  const args = ['--tls-cert-file', certFile, '--tls-key-file', keyFile];
  const controller = await smallController(t, testFolder(t), args);
  const port = Number(new URL(controller.url).port);
  await crowd(t, port, 600, ['127.0.0.2'], '\x16\x03\x01\x02\x00');
  const { request: secure } = await import('node:https');
  const sent = secure({ host: '127.0.0.1', port, path: '/healthz', rejectUnauthorized: false, agent: false }).end();
  const [answer] = await once(sent, 'response');
  assert.equal(answer.statusCode, 200);
  answer.resume();
  assert.equal(await controller.kill('SIGTERM'), 0);
});
