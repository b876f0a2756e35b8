import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { send } from './http.ts';
import { lines } from './stream.ts';

test('a rate-limited request is retried as the controller says, for a bounded time', async (t) => {
  const answers: [number, string | null][] = [
    [429, '0.05'],
    [429, '0.05'],
    [201, null],
    [429, '3600'],
    [429, null],
  ];
  const server = createServer((_request, response) => {
    const [status, after] = answers.shift() ?? [500, null];
    response.writeHead(status, after === null ? {} : { 'retry-after': after }).end();
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const target = { kind: 'url', url: `http://127.0.0.1:${port}/` } as const;
  assert.equal((await send({ target, method: 'POST', body: {} })).status, 201);
  assert.equal((await send({ target, method: 'POST' })).status, 429, 'an hour is too long to wait');
  assert.equal((await send({ target, method: 'POST' })).status, 429, 'nothing says for how long');
});

test('an endless answer is read up to a bound', async (t) => {
  const server = createServer((_request, response) => {
    const piece = Buffer.alloc(1 << 20, 'x');
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
    };
    response.on('drain', more).on('error', () => {});
    more();
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const target = { kind: 'url', url: `http://127.0.0.1:${port}/` } as const;
  await assert.rejects(send({ target, method: 'GET', answerMs: 600_000 }), /larger than 128 MiB/);
  const endless = async function* () {
    for (;;) yield 'x'.repeat(1 << 20);
  };
  await assert.rejects(lines(endless()).next(), /line of the answer is too long/);
});
