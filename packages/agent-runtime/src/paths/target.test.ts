import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { echoTarget, tryTarget } from './target.ts';

test('a listening target answers and receives only the end of the connection', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connected = once(server, 'connection') as Promise<[Socket]>;
  assert.equal(await tryTarget('127.0.0.1', port, 60_000), 'answered');
  const [socket] = await connected;
  socket.on('data', () => assert.fail('data'));
  socket.resume();
  await once(socket, 'end');
  assert.equal(socket.bytesRead, 0);
});

test('a target where nothing listens refuses', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  assert.equal(await tryTarget('127.0.0.1', port, 60_000), 'refused');
});

test('a network without a route gives the outcome none', async () => {
  assert.equal(await tryTarget('255.255.255.255', 443, 60_000), 'none');
});

test('answered and unanswered ICMP echoes are distinguished for any timeout', async () => {
  assert.equal(await echoTarget('127.0.0.1', 60_000.5), 'answered');
  assert.equal(await echoTarget('255.255.255.255', 333.3), 'none');
});
