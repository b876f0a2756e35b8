import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import type { PathState, PathsView } from '@sallyport/agent-core';
import { peerItem, routeItem } from '@sallyport/agent-core/testing';
import type { ResourceItem, StateItem } from '@sallyport/contract/channel';
import { ping } from './ping.ts';

const nowhere: PathsView = { paths: [], routes: [] };
const ask = (text: string, timeoutMs = 300) => ping(text, { items: new Map(), view: () => nowhere, timeoutMs });

test('without a port, ICMP and common TCP ports are tried, and the first answer counts', async () => {
  // The host's own kernel answers for its address: with an echo, or with a refused connection.
  const reply = await ask('127.0.0.1', 2_000);
  assert.ok(reply.rttMs !== null, reply.detail);
  assert.match(reply.detail, /^(ICMP echo answers|TCP port (443|80|22) (answers|is refused))$/);
});

test('a ping without an answer reports the probes', async () => {
  // Addresses of this block are for documentation only (RFC 5737): no host has them.
  const reply = await ask('192.0.2.77');
  assert.equal(reply.rttMs, null);
  assert.match(
    reply.detail,
    /^ICMP.*; TCP port 443: .*; TCP port 80: .*; TCP port 22: .*\. To try another TCP port: NAME:PORT$/,
  );
});

test('a resource is probed on its own ports only, and by ICMP only if its protocols allow it', async (t) => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const answer = async (hints: ResourceItem['ping']) => {
    const wiki: ResourceItem = {
      kind: 'resource',
      key: 'resource/w',
      id: 'w',
      name: 'Wiki',
      denied: null,
      ping: hints,
    };
    const all = [wiki, routeItem('127.0.0.1', [1], { resources: ['w'] })];
    const items = new Map<string, StateItem>(all.map((item) => [item.key, item]));
    return (await ping('Wiki', { items, view: () => nowhere, timeoutMs: 5_000 })).detail;
  };
  assert.equal(await answer({ tcp: [port], icmp: false }), `TCP port ${port} answers`);
  assert.match(await answer({ tcp: [], icmp: true }), /^ICMP/);
  assert.match(await answer({ tcp: [], icmp: false }), /no packet that all servers answer/);
});

test('a reply names the path that a search has found in the meantime, not the search', async () => {
  for (const before of ['searching', 'lost'] as const) {
    const states: PathState[] = [before, before, before, 'direct'];
    const { path, gatewayRttMs } = await pingGateway(() => states.shift() ?? 'direct', 60_000);
    assert.equal(path, 'direct');
    assert.notEqual(gatewayRttMs, null);
  }
});

test('a search that finds no path is reported at the time limit', async () => {
  assert.equal((await pingGateway(() => 'searching', 300)).path, 'searching');
});

/** Pings a gateway at an address of this host, whose kernel answers. `state` tells how far the search is. */
function pingGateway(state: () => PathState, timeoutMs: number) {
  const peer = peerItem(1, { addresses: ['127.0.0.1'] });
  const view = (): PathsView => ({
    paths: [{ ...searched, peer: peer.id, name: peer.name, state: state() }],
    routes: [],
  });
  return ping(peer.name, { items: new Map<string, StateItem>([[peer.key, peer]]), view, timeoutMs });
}

const searched = {
  relay: null,
  endpoint: null,
  rttMs: null,
  lastHandshake: null,
  rxBytes: 0,
  txBytes: 0,
  standing: 'ACTIVE',
} as const;
