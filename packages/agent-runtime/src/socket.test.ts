import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Frame } from '@sallyport/agent-core';
import { type WebSocket, WebSocketServer } from 'ws';
import { ChannelSocket } from './socket.ts';

/** A socket to a server that does with it what `serve` does; resolves with why it was closed, and what came before. */
async function visit(t: TestContext, serve: (socket: WebSocket) => void, trusts: (frame: Frame) => boolean) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', serve);
  await once(server, 'listening');
  t.after(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  const frames: Frame[] = [];
  const reason = await new Promise<string>((resolve) => {
    const socket = new ChannelSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      opened: () => {},
      pong: () => {},
      closed: resolve,
      failed: assert.ifError,
      message: (frame) => {
        frames.push(frame);
        if (trusts(frame)) socket.trust();
      },
    });
  });
  return { reason, frames };
}

test('an unauthenticated peer is cut off after a limit, in one frame or in many', async (t) => {
  const servers: ((socket: WebSocket) => void)[] = [
    (socket) => socket.send('x'.repeat(10_000_000)),
    (socket) => {
      for (let n = 0; n < 200; n++) socket.send('x'.repeat(1_000));
    },
    (socket) => socket.send('x'.repeat(200_000), { fin: false }),
  ];
  for (const serve of servers) {
    const { reason, frames } = await visit(t, serve, () => false);
    assert.match(reason, /too much before it had proven/);
    assert.ok(frames.every((frame) => frame.length < 64 * 1024));
  }
});

test('the controller may send a whole state directly after its welcome', async (t) => {
  const state = Buffer.alloc(5_000_000, 7);
  const serve = (socket: WebSocket) => {
    socket.send('welcome');
    socket.send(state);
    socket.close(1000, 'done');
  };
  const { reason, frames } = await visit(t, serve, (frame) => frame === 'welcome');
  assert.equal(reason, 'done');
  assert.deepEqual([frames[0], Buffer.from(frames[1] ?? '').equals(state)], ['welcome', true]);
});
