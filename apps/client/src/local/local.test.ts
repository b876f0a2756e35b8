import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ClientStatus, LocalReply, socketName } from '@sallyport/contract/local';
import { LocalConnection, socketFile } from './client.ts';
import { type LocalHandler, LocalServer } from './server.ts';

const status = (over: Partial<ClientStatus> = {}): ClientStatus => ({
  version: '0',
  pid: 1,
  device: 'd',
  enrolled: true,
  interface: 'i',
  wireguard: null,
  addresses: [],
  controller: { url: 'u', connected: false, phase: 'idle' },
  revision: null,
  current: false,
  leaseUntil: null,
  error: null,
  notes: [],
  gateways: [],
  routes: [],
  resources: [],
  posture: {},
  ...over,
});

async function serve(t: TestContext, handler: LocalHandler): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-local-'));
  await chmod(folder, 0o700);
  const server = await LocalServer.listen(folder, handler, assert.ifError);
  t.after(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });
  return folder;
}

test('requests are answered in order, on a socket that only the owner can use', async (t) => {
  let asked = 0;
  const folder = await serve(t, async (request) => {
    asked += 1;
    if (request.op === 'netcheck') throw new Error('not now');
    return { type: 'status', status: status({ version: String(asked) }) };
  });
  assert.equal(socketFile, socketName, 'the contract says the same');
  assert.equal((await stat(join(folder, socketName))).mode & 0o777, 0o600);
  const connection = await LocalConnection.open(folder);
  assert.ok(connection);
  connection.send({ op: 'status' });
  connection.send({ op: 'netcheck' });
  connection.send({ op: 'status' });
  const replies = [await connection.next(), await connection.next(), await connection.next()];
  assert.deepEqual(
    replies.map((reply) => (reply?.type === 'status' ? reply.status.version : reply)),
    ['1', { type: 'failed', message: 'not now' }, '3'],
  );
  for (const reply of replies) assert.ok(LocalReply.safeParse(reply).success);
  connection.close();
});

test('a follower receives every change and nothing else', async (t) => {
  let phase = 'a';
  const folder = await serve(t, () => ({
    type: 'status',
    status: status({ controller: { url: 'u', connected: false, phase } }),
  }));
  const connection = await LocalConnection.open(folder);
  connection?.send({ op: 'follow' });
  const heard = async () => {
    const reply = await connection?.next();
    return reply?.type === 'status' ? reply.status.controller.phase : reply;
  };
  assert.equal(await heard(), 'a');
  phase = 'b';
  assert.equal(await heard(), 'b');
  phase = 'c';
  assert.equal(await heard(), 'c');
  connection?.close();
});

test('invalid requests are refused, and endless ones are cut off', async (t) => {
  const folder = await serve(t, () => ({ type: 'done' }));
  const socket = connect(join(folder, socketName));
  const reply = new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())));
  socket.write('{"op":"explode"}\n');
  assert.match(await reply, /"failed"/);
  const cut = new Promise((resolve) => socket.once('close', resolve));
  socket.on('error', () => {});
  socket.write('x'.repeat(5 << 20));
  await cut;
});

test('a missing daemon is no failure, and an old socket is replaced', async (t) => {
  const folder = await serve(t, () => ({ type: 'done' }));
  assert.equal(await LocalConnection.open(join(folder, 'nowhere')), null);
  const second = await LocalServer.listen(folder, () => ({ type: 'failed', message: 'second' }), assert.ifError);
  const connection = await LocalConnection.open(folder);
  assert.deepEqual(await connection?.ask({ op: 'stop' }), { type: 'failed', message: 'second' });
  await second.close();
  assert.equal(await connection?.next(), null, 'it has hung up');
});
