import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Operation } from '@sallyport/contract';
import pino from 'pino';
import { z } from 'zod';
import { ApiError } from '../errors.ts';
import { createServer } from './server.ts';
import { OpenStreams, type StreamAnswer, streamLimits } from './streams.ts';

const piece = z.object({ n: z.int() });
type Piece = z.infer<typeof piece>;

const operation: Operation = {
  method: 'GET',
  path: '/numbers',
  tag: 'Changes',
  summary: 'Numbers',
  right: 'read',
  status: 200,
  response: piece,
  stream: 'ndjson',
};

type Begin = (signal: AbortSignal) => Promise<StreamAnswer<Piece>>;

async function serving(
  t: TestContext,
  begin: Begin,
  given: Partial<typeof streamLimits & { stillAllowed: () => boolean }> = {},
  kind: 'ndjson' | 'sse' = 'ndjson',
) {
  const streams = new OpenStreams();
  const server = createServer({ log: pino({ level: 'silent' }), trustedProxies: [], tls: null });
  const how = { limits: { ...streamLimits, ...given }, stillAllowed: async () => given.stillAllowed?.() ?? true };
  server.get('/numbers', (_request, reply) => streams.serve({ ...operation, stream: kind }, reply, how, begin));
  server.addHook('preClose', async () => streams.endAll());
  t.after(() => server.close());
  await server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.server.address() as AddressInfo;
  return { streams, server, port, url: `http://127.0.0.1:${port}/numbers` };
}

/** Numbers without end; tells how far it was read and whether its end was noticed. */
function endless() {
  const seen = { batches: 0, ended: false };
  async function* batches(): AsyncGenerator<Piece[]> {
    try {
      for (let n = 0; ; n += 1000) {
        seen.batches++;
        yield Array.from({ length: 1000 }, (_, at) => ({ n: n + at }));
      }
    } finally {
      seen.ended = true;
    }
  }
  return { seen, begin: async () => ({ batches: batches() }) };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function silentClient(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.pause();
  socket.write('GET /numbers HTTP/1.1\r\nhost: x\r\n\r\n');
  return socket;
}

test('stream pieces are lines with the fields of the schema', async (t) => {
  async function* batches() {
    yield [{ n: 1, secret: 'x' }, { n: 2 }];
    yield [];
    yield [{ n: 3 }];
  }
  const { url, streams } = await serving(t, async () => ({ batches: batches() }));
  const answer = await fetch(url);
  assert.equal(answer.headers.get('content-type'), 'application/x-ndjson; charset=utf-8');
  assert.equal(await answer.text(), '{"n":1}\n{"n":2}\n{"n":3}\n');
  await until(() => streams.size === 0);
});

test('a failure before the first byte is answered as a problem', async (t) => {
  const refused: Begin = async () => {
    throw new ApiError('changes_gone');
  };
  // biome-ignore lint/correctness/useYield: it fails before it has anything
  async function* failing(): AsyncGenerator<Piece[]> {
    throw new ApiError('not_found');
  }
  for (const [begin, status] of [
    [refused, 410],
    [async () => ({ batches: failing() }), 404],
  ] as const) {
    const { url, streams } = await serving(t, begin);
    const answer = await fetch(url);
    assert.deepEqual([answer.status, answer.headers.get('content-type')], [status, 'application/problem+json']);
    assert.equal(streams.size, 0);
  }
});

test('a later failure breaks the connection, so that half an answer does not look complete', async (t) => {
  async function* failing(): AsyncGenerator<Piece[]> {
    yield [{ n: 1 }];
    throw new Error('the disk is gone');
  }
  async function* unfit(): AsyncGenerator<Piece[]> {
    yield [{ n: 1 }];
    yield [{ n: 'two' as unknown as number }];
  }
  for (const batches of [failing, unfit]) {
    const { url } = await serving(t, async () => ({ batches: batches() }));
    const answer = await fetch(url);
    assert.equal(answer.status, 200);
    await assert.rejects(answer.text());
  }
});

test('a slow reader does not fill memory, and a client that stops reading is disconnected', async (t) => {
  const { seen, begin } = endless();
  const { port, streams } = await serving(t, begin, { stallMs: 200 });
  await silentClient(t, port);
  await until(() => seen.ended);
  // What fits into the buffers of two sockets, which is far less than what could be made in that time.
  assert.ok(seen.batches < 5000, `${seen.batches} batches were made for nobody`);
  await until(() => streams.size === 0);
});

test('a client that disconnects ends the work for its stream', async (t) => {
  const { seen, begin } = endless();
  const { url, streams } = await serving(t, begin);
  const abort = new AbortController();
  const answer = await fetch(url, { signal: abort.signal });
  await answer.body?.getReader().read();
  assert.equal(streams.size, 1);
  abort.abort();
  await until(() => seen.ended && streams.size === 0);
});

test('lines end, incomplete, when the right to read them is lost', async (t) => {
  let allowed = true;
  const { begin, seen } = endless();
  const { url } = await serving(t, begin, { stillAllowed: () => allowed });
  const answer = await fetch(url);
  const reader = answer.body?.getReader();
  await reader?.read();
  allowed = false;
  await assert.rejects(async () => {
    while (!(await reader?.read())?.done);
  });
  assert.ok(seen.ended);
});

/** A stream on which nothing ever happens. */
const quiet: Begin = async (signal) => {
  async function* batches(): AsyncGenerator<Piece[]> {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    yield [];
  }
  return { batches: batches(), position: { start: '7', after: ({ n }) => String(n) } };
};

test('a quiet event stream begins at once, says where it stands, and gives signs of life', async (t) => {
  const { url } = await serving(t, quiet, { heartbeatMs: 5 }, 'sse');
  const answer = await fetch(url);
  assert.equal(answer.headers.get('x-accel-buffering'), 'no');
  let text = '';
  for await (const part of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += part;
    if (text.split(': still here\n\n').length > 3) break;
  }
  assert.match(text, /^retry: 2000\nid: 7\n\n: still here\n\n: still here\n\n/);
});

test('an event stream ends when the right to it is lost, also while nothing happens', async (t) => {
  let allowed = true;
  const { url, streams } = await serving(t, quiet, { heartbeatMs: 5, stillAllowed: () => allowed }, 'sse');
  const answer = await fetch(url);
  allowed = false;
  assert.match(await answer.text(), /^retry/);
  await until(() => streams.size === 0);
});

test('a server that stops ends its streams and takes no more', async (t) => {
  const { url, streams, server } = await serving(t, quiet, {}, 'sse');
  const answer = await fetch(url);
  const closed = server.close();
  assert.match(await answer.text(), /^retry/);
  await closed;
  assert.equal(streams.size, 0);
});
