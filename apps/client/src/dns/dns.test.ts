import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { type TestContext, test } from 'node:test';
import { gatewayId, peerItem, routeItem } from '@sallyport/agent-core/testing';
import type { NameItem, ResourceItem, StateItem } from '@sallyport/contract/channel';
import { DnsReply } from '@sallyport/contract/local';
import type { NameTrace } from '../names/names.ts';
import { explainName } from './explain.ts';
import { dnsText } from './tell.ts';

// Loopback has this name on every host, so no resolver is asked.
const name = 'localhost';
const item = (address: string): NameItem => ({
  ...{ kind: 'name', key: `name/${name}`, id: name, addresses: [address], resources: [] },
});
const wiki: ResourceItem = { kind: 'resource', key: 'resource/w', id: 'w', name: 'wiki', denied: null };

/** A resolver with one address for every question of type A, or a failure code. */
async function resolver(t: TestContext, code: number, address = [127, 0, 0, 1]): Promise<string> {
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  await new Promise<void>((resolve) => socket.bind({ address: '127.0.0.1', port: 0 }, resolve));
  socket.on('message', (query, from) => {
    const end = query.indexOf(0, 12) + 5;
    const isA = query.readUInt16BE(end - 4) === 1 && code === 0;
    const head = Buffer.from(query.subarray(0, end));
    head.writeUInt16BE(0x8180 | code, 2);
    head.writeUInt16BE(isA ? 1 : 0, 6);
    head.writeUInt16BE(0, 10);
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address]);
    socket.send(Buffer.concat(isA ? [head, record] : [head]), from.port, from.address);
  });
  return `127.0.0.1:${socket.address().port}`;
}

async function explain(trace: Partial<NameTrace>, text = name) {
  const route = routeItem('127.0.0.1/32', [1], { resources: ['w'] });
  const all: StateItem[] = [peerItem(1, { name: 'berlin' }), wiki, route];
  const reply = await explainName(text, {
    items: new Map(all.map((one) => [one.key, one])),
    view: {
      paths: [],
      routes: [
        { prefix: '127.0.0.1/32', mode: 'MANUAL', resources: ['w'], carrier: gatewayId(1), why: '', gateways: [] },
      ],
    },
    trace: async () => ({ item: null, gateway: null, servers: [], by: 'resolved', problem: null, ...trace }),
    timeoutMs: 2_000,
  });
  return DnsReply.parse(reply);
}

test('a name that works is explained without advice', async (t) => {
  const servers = [await resolver(t, 0)];
  const reply = await explain({ item: item('127.0.0.1'), gateway: gatewayId(1), servers });
  assert.deepEqual(reply.resources, [{ id: 'w', name: 'wiki' }]);
  assert.deepEqual([reply.answers[0]?.result, reply.answers[0]?.addresses], ['OK', ['127.0.0.1']]);
  const text = dnsText({ ...reply, host: { ...reply.host, addresses: ['127.0.0.1'] }, advice: [] });
  assert.match(text, /^gateway +berlin, no path$/m);
  assert.match(text, /^this host +127\.0\.0\.1 in [\d.]+ ms, by resolved$/m);
});

test('each failure of the gateway is explained', async (t) => {
  for (const [code, says] of [
    [2, /berlin answers SERVFAIL: its own resolvers do not answer\./],
    [3, /berlin answers NXDOMAIN: its own resolvers say that the name does not exist\./],
    [5, /berlin answers REFUSED: the rules do not let this device reach the name at the moment\./],
  ] as const) {
    const servers = [await resolver(t, code)];
    const { advice } = await explain({ item: item('127.0.0.1'), gateway: gatewayId(1), servers });
    assert.match(advice.join('\n'), says);
  }
});

test('what keeps this host from asking is explained', async (t) => {
  const servers = [await resolver(t, 0, [100, 96, 0, 1])];
  const own = { item: item('100.96.0.1'), gateway: gatewayId(1), servers };
  const foreign = await explain(own);
  assert.match(foreign.advice.join('\n'), /resolves localhost to .* instead: \/etc\/hosts/);
  const off = await explain({ ...own, by: null });
  assert.match(off.advice.join('\n'), /does not ask Sallyport for names/);
  const contested = await explain({ ...own, problem: 'Another program interferes.' });
  assert.ok(contested.advice.includes('Another program interferes.'));
  const none = await explain({ ...own, gateway: null, servers: [] });
  assert.ok(none.advice.includes('No gateway carries localhost now.'));
});

test('another name is asked of the resolvers of the host', async (t) => {
  const reply = await explain({ servers: [await resolver(t, 0)] }, 'LOCALHOST.');
  assert.deepEqual([reply.name, reply.resources, reply.addresses, reply.advice], [name, [], [], []]);
  assert.match(dnsText(reply), /^resource +none that this device may reach/m);
});

test('what is no host name is refused, and nothing hangs on a silent resolver', async (t) => {
  for (const text of ['', '10.0.0.1', '[::1]', 'a b', 'a/b', 'a:1', `${'a'.repeat(64)}.example`, 'x..y'])
    await assert.rejects(explain({}, text), /not a host name/, text);
  const silent = createSocket('udp4');
  t.after(() => silent.close());
  await new Promise<void>((resolve) => silent.bind({ address: '127.0.0.1', port: 0 }, resolve));
  const servers = [`127.0.0.1:${silent.address().port}`];
  const { answers } = await explainName(name, {
    ...{ items: new Map(), view: { paths: [], routes: [] }, timeoutMs: 50 },
    trace: async () => ({ item: null, gateway: null, servers, by: null, problem: null }),
  });
  assert.equal(answers[0]?.result, 'TIMEOUT');
});

test('a name that only a wildcard covers shows its resource and gateway, and no address of the wildcard', async (t) => {
  const servers = [await resolver(t, 3)];
  const covering = { ...item('127.0.0.1'), id: '*.corp.example', key: 'name/*.corp.example' };
  const reply = await explain({ item: covering, gateway: gatewayId(1), servers });
  assert.deepEqual([reply.resources, reply.addresses], [[{ id: 'w', name: 'wiki' }], []]);
  assert.equal(reply.gateway?.name, 'berlin');
  assert.match(reply.advice.join(' '), /berlin answers NXDOMAIN/);
});
