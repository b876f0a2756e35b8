import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cleanup } from './cleanup.ts';
import { Host } from './host.ts';
import { Nat, type NatOptions } from './nat.ts';
import { cable, Namespace, uniqueTag, whyNoNamespaces } from './netns.ts';
import { UdpSocket } from './udp-socket.ts';
import { holds, until } from './wait.ts';

const skip = whyNoNamespaces() ?? false;
const wan = '203.0.113.30';
const mirrors = ['203.0.113.1:7001', '203.0.113.1:7002', '203.0.113.2:7001'] as const;

/** A host inside, the NAT, and a host outside with two addresses and a mirror on three of their ports. */
async function network(t: { after(step: () => Promise<void>): void }, options: Partial<NatOptions> = {}) {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const tag = uniqueTag();
  const [inner, router, outer] = await Promise.all(
    ['in', 'nat', 'out'].map((name) => Namespace.create(`sp-${tag}-${name}`, cleanup)),
  );
  assert.ok(inner && router && outer);
  await cable(
    { namespace: inner, interface: 'eth0', addresses: ['192.168.7.2/24', '192.168.7.3/24'] },
    { namespace: router, interface: 'home0', addresses: ['192.168.7.1/24'] },
  );
  await cable(
    { namespace: router, interface: 'wan0', addresses: [`${wan}/24`] },
    { namespace: outer, interface: 'eth0', addresses: ['203.0.113.1/24', '203.0.113.2/24'] },
  );
  await inner.ip('route', 'add', 'default', 'via', '192.168.7.1');
  const nat = await Nat.create(router, { inside: 'home0', outside: 'wan0', address: `${wan}/24`, ...options });
  const [inside, outside] = await Promise.all([Host.start(inner, cleanup), Host.start(outer, cleanup)]);
  for (const mirror of mirrors) {
    const [address = '', port] = mirror.split(':');
    await UdpSocket.open(outside, { address, port: Number(port), mirror: true });
  }
  return { nat, inside, outside, socket: await UdpSocket.open(inside) };
}

async function seenByAll(socket: UdpSocket): Promise<string[]> {
  const seen: string[] = [];
  for (const mirror of mirrors) seen.push(await socket.seenBy(mirror));
  return seen;
}

/** Returns whether a datagram arrives inside from an outside port to which nothing was sent. */
async function letsIn(outside: Host, socket: UdpSocket, external: string): Promise<boolean> {
  const stranger = await UdpSocket.open(outside, { address: '203.0.113.1' });
  const text = `from ${stranger.port}`;
  await stranger.send(external, text);
  return !(await holds(async () => (await socket.inbox()).every((got) => got.text !== text), 200, 20));
}

test('endpoint-independent: one external port, the inside one, for every destination', { skip }, async (t) => {
  const { socket, outside } = await network(t);
  assert.deepEqual(await seenByAll(socket), Array(3).fill(`${wan}:${socket.port}`));
  assert.equal(await letsIn(outside, socket, `${wan}:${socket.port}`), false);
});

test('address-dependent: one external port for each destination address', { skip }, async (t) => {
  const { socket, outside } = await network(t, { mapping: 'address-dependent' });
  const [first, otherPort, otherAddress] = await seenByAll(socket);
  assert.equal(otherPort, first);
  assert.notEqual(otherAddress, first);
  assert.deepEqual(await seenByAll(socket), [first, otherPort, otherAddress], 'and it stays so');
  assert.equal(await letsIn(outside, socket, first ?? ''), false);
});

test('symmetric: another external port for each destination address and port', { skip }, async (t) => {
  const { socket, outside } = await network(t, { mapping: 'symmetric' });
  const seen = await seenByAll(socket);
  assert.equal(new Set([...seen, `${wan}:${socket.port}`]).size, 4, seen.join(' '));
  assert.deepEqual(await seenByAll(socket), seen, 'and it stays so');
  for (const external of seen) assert.equal(await letsIn(outside, socket, external), false);
});

test('filter none: every host reaches an external port in use, and no other port', { skip }, async (t) => {
  const { nat, socket, outside } = await network(t, { filter: 'none' });
  assert.equal(await letsIn(outside, socket, `${wan}:${socket.port}`), false, 'nothing was sent yet');
  assert.deepEqual(await seenByAll(socket), Array(3).fill(`${wan}:${socket.port}`));
  assert.equal(await letsIn(outside, socket, `${wan}:${socket.port}`), true);
  await nat.rebind();
  const external = await socket.seenBy(mirrors[0]);
  assert.notEqual(external, `${wan}:${socket.port}`);
  assert.equal(await letsIn(outside, socket, external), true);
  assert.equal(await letsIn(outside, socket, `${wan}:${socket.port}`), false, 'the old mapping is gone');
});

for (const { filter, kept } of [
  { filter: 'dropped', kept: true },
  { filter: 'open', kept: false },
] as const) {
  const outcome = kept ? 'leaves the external port alone' : 'takes the external port away from the next flow';
  test(`filter ${filter}: a stray datagram from the other end ${outcome}`, { skip }, async (t) => {
    const { socket, outside } = await network(t, { filter });
    const peer = await UdpSocket.open(outside, { address: '203.0.113.2', port: 51820, mirror: true });
    const external = await socket.seenBy(mirrors[0]);
    await peer.send(external, 'stray');
    assert.equal(await letsIn(outside, socket, external), false);
    const seen = await socket.seenBy(`203.0.113.2:${peer.port}`);
    assert.equal(seen === external, kept, `${seen} against ${external}`);
    assert.ok((await socket.inbox()).every(({ text }) => text !== 'stray'));
  });
}

for (const mapping of ['endpoint-independent', 'address-dependent', 'symmetric'] as const) {
  test(`${mapping}: rebind and a new address move the mappings; answers to the old ones are lost`, {
    skip,
  }, async (t) => {
    const { nat, socket, outside } = await network(t, { mapping });
    const far = await UdpSocket.open(outside, { address: '203.0.113.2' });
    await socket.send(`203.0.113.2:${far.port}`, 'first');
    const before = await far.heard('first');
    await nat.rebind();
    await far.send(before, 'late');
    assert.ok(await holds(async () => (await socket.inbox()).length === 0, 200, 20), 'the old mapping is gone');
    await socket.send(`203.0.113.2:${far.port}`, 'second');
    const after = await far.heard('second');
    assert.notEqual(after, before);
    await far.send(after, 'in time');
    assert.equal(await socket.heard('in time'), `203.0.113.2:${far.port}`);
    await nat.changeAddress('203.0.113.31/24');
    await socket.send(`203.0.113.2:${far.port}`, 'third');
    assert.match(await far.heard('third'), /^203\.0\.113\.31:/);
    assert.match(await socket.seenBy(mirrors[0]), /^203\.0\.113\.31:/);
  });
}

test('an unused mapping ends with its timeout', { skip }, async (t) => {
  const { socket, outside } = await network(t, { timeouts: { fresh: 1, answered: 1 } });
  const far = await UdpSocket.open(outside, { address: '203.0.113.1' });
  await socket.send(`203.0.113.1:${far.port}`, 'once');
  const external = await far.heard('once');
  let count = 0;
  // Every round waits longer than the last, because a forwarded datagram keeps the mapping alive.
  await until('the mapping to end', async () => {
    const silentMs = 400 * ++count;
    await holds(() => true, silentMs);
    await far.send(external, `after ${silentMs} ms`);
    return holds(async () => (await socket.inbox()).every(({ text }) => text !== `after ${silentMs} ms`), 200, 20);
  });
  assert.ok(count > 1, 'it was there at first');
});

test('a NAT that changes its kind forgets its mappings', { skip }, async (t) => {
  const { nat, socket } = await network(t, { mapping: 'symmetric' });
  assert.equal(new Set(await seenByAll(socket)).size, 3);
  await nat.become({ mapping: 'endpoint-independent' });
  assert.equal(new Set(await seenByAll(socket)).size, 1);
  await assert.rejects(nat.become({ mapping: 'symmetric', filter: 'none' }), /several owners/);
});

test('hairpinning is off by default', { skip }, async (t) => {
  for (const hairpin of [false, true]) {
    const { inside, socket } = await network(t, { filter: 'none', hairpin });
    const neighbour = await UdpSocket.open(inside, { address: '192.168.7.3' });
    const external = await neighbour.seenBy(mirrors[0]);
    await socket.send(external, 'through the router');
    const silent = await holds(async () => (await neighbour.inbox()).length === 1, 200, 20);
    assert.equal(silent, !hairpin);
    if (hairpin) assert.equal(await neighbour.heard('through the router'), `${wan}:${socket.port}`);
  }
});

test('TCP connections go out through the NAT and do not come in', { skip }, async (t) => {
  const { nat, inside, outside } = await network(t, { mapping: 'address-dependent', filter: 'open' });
  await Promise.all([inside.listenTcp(80), outside.listenTcp(80)]);
  assert.equal(await inside.tcp('203.0.113.1', 80), 'ok');
  await nat.rebind();
  assert.equal(await inside.tcp('203.0.113.2', 80), 'ok');
  assert.notEqual(await outside.tcp(wan, 80, { timeoutMs: 300 }), 'ok');
  assert.notEqual(await outside.tcp('192.168.7.2', 80, { timeoutMs: 300 }), 'ok');
});
