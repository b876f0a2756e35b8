import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '@sallyport/testkit';
import { LocalServer } from '../../apps/client/src/local/server.ts';
import { RelayPort } from '../../apps/gateway/src/relay/port.ts';
import { Follower } from '../../packages/hostnet/src/system/follow.ts';

// Uncaught, each of these errors would end this process and the test with it.

const bomb = (): never => {
  throw new Error('the cause');
};

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sallyport-callbacks-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

test('a line that makes the reader throw is reported, and the program is watched again', async (t) => {
  const failures: unknown[] = [];
  let lines = 0;
  let restarts = 0;
  const follower = new Follower({
    tool: 'ip',
    args: ['-V'],
    line: () => (++lines === 1 ? bomb() : undefined),
    restarted: () => void restarts++,
    failed: (error) => failures.push(error),
  });
  t.after(() => follower.close());
  await until('another line', () => lines > 1);
  assert.equal(failures.length, 1);
  assert.ok(restarts > 0);
});

test('a datagram that makes the relay throw is dropped, and the next one is processed', async (t) => {
  const failures: unknown[] = [];
  let seen = 0;
  const now = () => (++seen === 2 ? bomb() : 1);
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  const peer = { id: '1', publicKey: Buffer.alloc(32, 1).toString('base64'), endpoint: null };
  const peers = [peer, peer];
  const item = {
    kind: 'relay',
    key: 'relay/x',
    id: 'x',
    port: 0,
    peers,
    bytesPerSecond: 1_000,
    expiresAt: null,
  } as const;
  const host = { now, learned: () => {}, failed: bomb, broken: (error: unknown) => void failures.push(error) };
  const free = createSocket('udp6');
  await new Promise<void>((resolve) => free.bind(0, resolve));
  const { port } = free.address();
  await new Promise<void>((resolve) => free.close(() => resolve()));
  const pair = [peer, peer].map(({ publicKey }) => ({ publicKey, endpoint: null })) as never;
  const relay = new RelayPort({ ...item, port, peers: [...peers] }, pair, [null, null], host);
  t.after(() => relay.close());
  await until('two datagrams', () => {
    socket.send(Buffer.alloc(32), port, '127.0.0.1');
    return relay.counters.strange > 0 && failures.length > 0;
  });
  assert.match(String(failures[0]), /the cause/);
});

test('a failed answer of the local socket ends that connection only', async (t) => {
  const failures: unknown[] = [];
  let broken = true;
  const answer = () => (broken ? ({ type: 'done', huge: 1n } as never) : ({ type: 'done' } as const));
  const path = await folder(t);
  const server = await LocalServer.listen(path, answer, (error) => failures.push(error));
  t.after(() => server.close());
  const ask = () =>
    new Promise<string>((resolve) => {
      const socket = connect(join(path, 'client.sock'));
      let text = '';
      socket.setEncoding('utf8').on('data', (data: string) => {
        text += data;
        socket.end();
      });
      socket.on('close', () => resolve(text)).on('error', () => {});
      socket.write('{"op":"status"}\n');
    });
  assert.equal(await ask(), '');
  assert.match(String(failures[0]), /BigInt/);
  broken = false;
  assert.equal(await ask(), '{"type":"done"}\n');
});
