import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { test } from 'node:test';
import { RelayMeter } from '@sallyport/agent-runtime';
import type { GatewayItem, RelayItem, StateItem } from '@sallyport/contract/channel';
import { Initiator, privateKeyFrom, publicKeyOf, Responder, tai64n } from '@sallyport/wireguard';
import type { Learned } from './pair.ts';
import { type LearnedPair, RelayServer } from './server.ts';

const log = { debug() {}, info() {}, warn() {}, error() {} };

test('a handshake passes the relay, kernel and disk get the learned addresses, and data follows', async (t) => {
  const keys = [privateKeyFrom(randomBytes(32)), privateKeyFrom(randomBytes(32))] as const;
  const [a, b] = [await socket(t), await socket(t)];
  const ports = await freePorts(2);
  const item = relayItem(ports[1] ?? 0, [publicKeyOf(keys[0]), publicKeyOf(keys[1])], b.address().port);
  const kernel: (readonly LearnedPair[])[] = [];
  const remembered: Map<string, Learned>[] = [];
  const server = new RelayServer({
    log,
    now: Date.now,
    remembered: new Map(),
    remember: (learned) => remembered.push(new Map(learned)),
    forward: async (pairs) => void kernel.push(pairs),
  });
  t.after(() => server.stop());
  await server.apply(items(ports[0] ?? 0, [item]));

  const initiator = new Initiator({ privateKey: keys[0], publicKey: publicKeyOf(keys[1]) });
  const responder = new Responder({ privateKey: keys[1], random: (count) => randomBytes(count) });
  const now = Date.now();
  const first = initiator.initiate({ ephemeral: randomBytes(32), senderIndex: 7, timestamp: tai64n(now), now });
  a.send(first, item.port, '127.0.0.1');
  const heard = await message(b);
  assert.deepEqual(heard.data, Buffer.from(first));
  const reply = responder.handle(heard.data, 'x', now, () => ({}));
  assert.ok(reply.kind === 'reply');
  b.send(reply.datagram, heard.port, '127.0.0.1');
  const answer = initiator.receive((await message(a)).data, now);
  assert.ok(answer.kind === 'session');
  a.send(answer.session.keepalive(now) ?? '', item.port, '127.0.0.1');
  const data = await message(b);
  assert.equal(responder.handle(data.data, 'x', now, () => ({})).kind, 'authenticated');

  const learned = [`127.0.0.1:${a.address().port}`, `127.0.0.1:${b.address().port}`];
  assert.deepEqual(kernel.at(-1)?.[0]?.learned, learned);
  assert.deepEqual(remembered.at(-1)?.get('pair'), learned);
  assert.equal(server.relayed, 1);

  await server.apply(items(ports[0] ?? 0, []));
  assert.deepEqual([kernel.at(-1), remembered.at(-1)?.size, server.relayed], [[], 0, 0], 'the pair is gone');
});

test('the check repairs foreign changes in the kernel, and kernel-forwarded packets count', async (t) => {
  const ports = await freePorts(2);
  const key = publicKeyOf(privateKeyFrom(randomBytes(32)));
  let [differences, forwards] = [['way is missing'], 0];
  const said: string[] = [];
  const server = new RelayServer({
    log: { ...log, warn: (message) => said.push(message) },
    now: Date.now,
    remembered: new Map(),
    remember: () => {},
    forward: async () => void forwards++,
    verify: async () => differences,
    forwarded: async () => 7,
  });
  t.after(() => server.stop());
  await server.check();
  assert.deepEqual([forwards, await server.packets()], [0, 0], 'nothing is relayed yet');
  await server.apply(items(ports[0] ?? 0, [relayItem(ports[1] ?? 0, [key, key], 9)]));
  const before = forwards;
  await server.check();
  assert.equal(forwards, before + 1);
  assert.match(said.join(), /another program changed the relay table/);
  differences = [];
  await server.check();
  assert.deepEqual([forwards, said.length, await server.packets()], [before + 1, 1, 7]);
});

test('the first port returns round-trip probes, only while the gateway relays', async (t) => {
  const [port = 0] = await freePorts(1);
  const server = new RelayServer({ log, now: Date.now, remembered: new Map(), remember: () => {}, forward: null });
  const meter = new RelayMeter();
  t.after(async () => {
    meter.close();
    await server.stop();
  });
  await server.apply(items(port, []));
  assert.notEqual(await meter.measure(`127.0.0.1:${port}`), null);
  await server.apply(new Map([['gateway', { ...gatewayItem(port), relayPorts: null }]]));
  assert.equal(await meter.measure(`127.0.0.1:${port}`), null);
});

test('a port in use is reported, and the others keep working', async (t) => {
  const taken = await socket(t);
  const said: string[] = [];
  const [port = 0] = await freePorts(1);
  const server = new RelayServer({
    log: { ...log, warn: (message) => said.push(message) },
    now: Date.now,
    remembered: new Map(),
    remember: () => {},
    forward: null,
  });
  t.after(() => server.stop());
  const key = publicKeyOf(privateKeyFrom(randomBytes(32)));
  await server.apply(items(port, [relayItem(taken.address().port, [key, key], 9)]));
  const meter = new RelayMeter();
  t.after(() => meter.close());
  assert.ok((await meter.measure(`127.0.0.1:${port}`)) !== null);
  assert.match(said.join(), /relay port cannot be used/);
});

test('a port that another program released is opened with the next state', async (t) => {
  const [other, taken] = [await socket(t), createSocket('udp4')];
  await new Promise<void>((resolve) => taken.bind(0, '127.0.0.1', resolve));
  const said: string[] = [];
  const server = new RelayServer({
    log: { ...log, warn: (_message, fields) => said.push(String(fields?.relay)) },
    now: Date.now,
    remembered: new Map(),
    remember: () => {},
    forward: null,
  });
  t.after(() => server.stop());
  const { port } = taken.address();
  const [relayed = 0] = await freePorts(1);
  const keys = [privateKeyFrom(randomBytes(32)), privateKeyFrom(randomBytes(32))].map(publicKeyOf) as [string, string];
  const state = items(port, [relayItem(relayed, keys, other.address().port)]);
  const meter = new RelayMeter();
  t.after(() => meter.close());
  await server.apply(state);
  assert.equal(await meter.measure(`127.0.0.1:${port}`), null);
  assert.deepEqual(said, [`port ${port}`]);
  await new Promise<void>((resolve) => taken.close(resolve));
  await server.apply(state);
  assert.ok((await meter.measure(`127.0.0.1:${port}`)) !== null);
});

function items(port: number, relays: readonly RelayItem[]): Map<string, StateItem> {
  return new Map<string, StateItem>([
    ['gateway', gatewayItem(port)],
    ...relays.map((item) => [item.key, item] as const),
  ]);
}

function gatewayItem(port: number): GatewayItem {
  return {
    kind: 'gateway',
    key: 'gateway',
    listenPort: 51820,
    addresses: ['100.64.0.1/32'],
    overlay: { v4: '100.64.0.0/10', v6: 'fd00:5a11::/48' },
    mtu: 1280,
    masquerade: true,
    intent: 'ACTIVE',
    drainUntil: null,
    relayPorts: { from: port, to: port + 100 },
  };
}

function relayItem(port: number, keys: readonly [string, string], endpoint: number): RelayItem {
  return {
    kind: 'relay',
    key: 'relay/pair',
    id: 'pair',
    port,
    peers: [
      { id: crypto.randomUUID(), publicKey: keys[0], endpoint: null },
      { id: crypto.randomUUID(), publicKey: keys[1], endpoint: `127.0.0.1:${endpoint}` },
    ],
    bytesPerSecond: 1_000_000,
    expiresAt: null,
  };
}

async function socket(t: { after: (done: () => void) => void }): Promise<Socket> {
  const made = createSocket('udp4');
  await new Promise<void>((resolve) => made.bind(0, '127.0.0.1', resolve));
  t.after(() => made.close());
  return made;
}

function message(from: Socket): Promise<{ data: Buffer; port: number }> {
  return new Promise((resolve) => from.once('message', (data, { port }) => resolve({ data, port })));
}

/** Ports that were free a moment ago. */
async function freePorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp6'));
  await Promise.all(sockets.map((one) => new Promise<void>((resolve) => one.bind(0, resolve))));
  const ports = sockets.map((one) => one.address().port);
  await Promise.all(sockets.map((one) => new Promise<void>((resolve) => one.close(() => resolve()))));
  return ports;
}
