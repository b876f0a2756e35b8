import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PathsView } from '@sallyport/agent-core';
import { ping } from './ping.ts';

const nowhere: PathsView = { paths: [], routes: [] };
const ask = (text: string, timeoutMs = 300) => ping(text, { items: new Map(), view: nowhere, timeoutMs });

test('without a port, ICMP and common TCP ports are tried, and the first answer counts', async () => {
  // Its own kernel answers for this host: by an echo, or by refusing a connection.
  const reply = await ask('127.0.0.1', 2_000);
  assert.ok(reply.rttMs !== null, reply.detail);
  assert.match(reply.detail, /^(ICMP echo answers|TCP port (443|80|22) (answers|is refused))$/);
});

test('where nothing answers, it says what was tried', async () => {
  // Addresses of this block are for documents only (RFC 5737): there is no host.
  const reply = await ask('192.0.2.77');
  assert.equal(reply.rttMs, null);
  assert.match(reply.detail, /^ICMP.*; TCP ports 443, 80, 22: no answer\. Name another port \(NAME:PORT\)$/);
});
