import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Answering, DnsServer } from '@sallyport/agent-runtime';
import { until } from '@sallyport/testkit';

const address = '127.53.0.1';
const share = { pending: 4, perSecond: 1_000_000, connections: 3 };
const echo: Answering = async (query) => query;

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function serve(t: TestContext, answering: Answering, more: Partial<typeof share> = {}, patienceMs = 60_000) {
  const port = await freePort();
  const known = (source: string) => source !== '127.53.0.66';
  const server = new DnsServer(known, answering, { share: { ...share, ...more }, port, patienceMs });
  await server.listen([address]);
  t.after(() => server.close());
  return port;
}

/** Connects from an address, which stands for a device. */
async function dial(t: TestContext, port: number, from: string) {
  const socket: Socket = connect({ host: address, port, localAddress: from });
  const peer = { socket, received: '', ended: false };
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.on('data', (data) => {
    peer.received += data.toString('latin1');
  });
  socket.on('close', () => {
    peer.ended = true;
  });
  await once(socket, 'connect');
  return peer;
}

const framed = (text: string): Buffer => {
  const body = Buffer.from(text);
  return Buffer.concat([Buffer.from([body.length >> 8, body.length & 255]), body]);
};

test('queries over TCP are answered in their order, however they are cut', async (t) => {
  const port = await serve(t, echo);
  const peer = await dial(t, port, '127.53.0.2');
  const bytes = Buffer.concat([framed('one'), framed('two'), framed('three')]);
  for (const byte of bytes) peer.socket.write(Buffer.from([byte]));
  const wanted = bytes.toString('latin1');
  await until('all answers', () => peer.received === wanted);
  peer.socket.write(Buffer.from([0x7f, 0xff]));
  await until('the end after an oversized query', () => peer.ended);
});

test('a source that is not known gets no connection, so it cannot hold one', async (t) => {
  const port = await serve(t, echo);
  const peer = await dial(t, port, '127.53.0.66');
  await until('the end', () => peer.ended);
});

test('a device has few connections, and the others of it are ended at once', async (t) => {
  const port = await serve(t, echo);
  const first = await Promise.all([1, 2, 3].map(() => dial(t, port, '127.53.0.2')));
  const fourth = await dial(t, port, '127.53.0.2');
  await until('the end of the fourth', () => fourth.ended);
  const other = await dial(t, port, '127.53.0.3');
  other.socket.write(framed('query'));
  await until('an answer to another device', () => other.received !== '');
  assert.ok(first.every(({ ended }) => !ended));
  first[0]?.socket.destroy();
  await until('room again', async () => {
    const again = await dial(t, port, '127.53.0.2');
    again.socket.write(framed('query'));
    await until('an answer or an end', () => again.ended || again.received !== '');
    return !again.ended;
  });
});

test('a peer that sends a byte now and then does not keep its connection', async (t) => {
  const port = await serve(t, echo, {}, 300);
  const peer = await dial(t, port, '127.53.0.2');
  const sending = setInterval(() => peer.socket.write('x'), 100);
  t.after(() => clearInterval(sending));
  peer.socket.write(Buffer.from([1, 255]));
  await until('the end', () => peer.ended);
});

test('when many devices hold all connections, the oldest one makes room', async (t) => {
  const port = await serve(t, echo, { connections: 100 });
  const held: Awaited<ReturnType<typeof dial>>[] = [];
  for (const from of ['127.53.0.2', '127.53.0.3']) for (let i = 0; i < 100; i++) held.push(await dial(t, port, from));
  const next = await dial(t, port, '127.53.0.4');
  next.socket.write(framed('query'));
  await until('an answer', () => next.received !== '');
  await until('the end of the oldest', () => held[0]?.ended);
  assert.equal(held.filter(({ ended }) => ended).length, 1);
});

test('a peer that does not read its answers is not answered without end', async (t) => {
  let answered = 0;
  const port = await serve(t, async () => {
    answered += 1;
    return Buffer.alloc(60_000);
  });
  const peer = await dial(t, port, '127.53.0.2');
  peer.socket.pause();
  peer.socket.write(Buffer.concat(Array.from({ length: 10_000 }, () => framed('query'))));
  // A paused socket does not tell that the peer has ended, so the next write does.
  await until('the end', () => {
    peer.socket.write(framed('query'));
    return peer.ended;
  });
  assert.ok(answered < 1000, `${answered} answers`);
});

test('queries of one device that wait leave room for those of others', async (t) => {
  const waiting: (() => void)[] = [];
  const port = await serve(t, async (query, source) => {
    if (source === '127.53.0.2') await new Promise<void>((resolve) => waiting.push(resolve));
    return query;
  });
  const devices = await Promise.all(
    ['127.53.0.2', '127.53.0.3'].map(async (from) => {
      const socket = createSocket('udp4');
      t.after(() => socket.close());
      socket.bind(0, from);
      await once(socket, 'listening');
      return socket;
    }),
  );
  const [greedy, modest] = devices;
  for (let i = 0; i < 50; i++) greedy?.send(`${i}`, port, address);
  await until('waiting queries', () => waiting.length === share.pending);
  const answer = once(modest as never, 'message');
  modest?.send('hello', port, address);
  assert.equal(String((await answer)[0]), 'hello');
  assert.equal(waiting.length, share.pending);
  for (const release of waiting) release();
});

test('a device has so many queries a second, over TCP too', async (t) => {
  let answered = 0;
  const port = await serve(
    t,
    async (query) => {
      answered += 1;
      return query;
    },
    { perSecond: 5 },
  );
  const peer = await dial(t, port, '127.53.0.2');
  peer.socket.write(Buffer.concat(Array.from({ length: 1_000 }, (_, i) => framed(`${i}`))));
  await until('the end', () => peer.ended);
  // The second may change in between.
  assert.ok(answered >= 5 && answered <= 50, `${answered} answers`);
});
