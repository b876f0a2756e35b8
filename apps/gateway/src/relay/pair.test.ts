import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Initiator, privateKeyFrom, publicKeyOf, Responder, type Session, tai64n } from '@sallyport/wireguard';
import { type Forward, RelayPair } from './pair.ts';

const start = Date.UTC(2026, 0, 1);
const [deviceAt, gatewayAt, strangerAt] = ['198.51.100.7:4000', '203.0.113.9:51820', '192.0.2.66:666'];

test('two unknown peers find each other by their handshakes, and their data passes', () => {
  const { pair, device, gateway } = world();
  const first = device.initiate(start);
  assert.deepEqual(pair.receive(deviceAt, first, start), [], 'there is nobody to send it to yet');
  const theirs = gateway.initiate(start + 100);
  assert.deepEqual(destinations(pair.receive(gatewayAt, theirs, start + 100)), [deviceAt, gatewayAt]);
  const response = gateway.answer(first, start + 101);
  assert.deepEqual(destinations(pair.receive(gatewayAt, response, start + 101)), [deviceAt]);
  assert.deepEqual(pair.learned, [null, null], 'anybody could have written both');
  const data = device.finish(response, start + 102);
  assert.deepEqual(destinations(pair.receive(deviceAt, data, start + 102)), [gatewayAt]);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
  assert.equal(gateway.accepts(data, start + 102), true);
});

test('a peer with an endpoint receives datagrams there at once', () => {
  const { pair, device, gateway } = world(gatewayAt);
  const first = device.initiate(start);
  assert.deepEqual(destinations(pair.receive(deviceAt, first, start)), [gatewayAt]);
  pair.receive(gatewayAt, gateway.answer(first, start), start);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
});

test('a sender with only public keys moves no peer', () => {
  const { pair, device, gateway } = connected();
  assert.deepEqual(pair.receive(strangerAt, device.last(), start + 1), [], 'overheard');
  // A forgery with the right MAC1 is forwarded. The gateway rejects it, because it has no such peer.
  const forged = newPeer(gateway.publicKey).initiate(start + 2);
  assert.deepEqual(destinations(pair.receive(strangerAt, forged, start + 2)), [gatewayAt]);
  const guess = newPeer(device.publicKey);
  const [, fake] = [guess.initiate(start + 3), Buffer.alloc(92)];
  assert.deepEqual(pair.receive(strangerAt, fake, start + 3), []);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
});

test('data of strangers and non-WireGuard datagrams are dropped', () => {
  const { pair } = connected();
  const data = Buffer.alloc(64);
  data[0] = 4;
  assert.deepEqual(pair.receive(strangerAt, data, start + 1), []);
  for (const junk of [Buffer.alloc(0), randomBytes(148), randomBytes(1400)]) {
    assert.deepEqual(pair.receive(deviceAt, junk, start + 1), []);
  }
});

test('a moved peer is followed once its next handshake is answered', () => {
  const { pair, device, gateway } = connected();
  const again = device.initiate(start + 10_000);
  assert.deepEqual(destinations(pair.receive('198.51.100.8:5000', again, start + 10_000)), [gatewayAt]);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt], 'not before somebody with the key has answered');
  const answered = pair.receive(gatewayAt, gateway.answer(again, start + 10_001), start + 10_001);
  assert.deepEqual(destinations(answered), ['198.51.100.8:5000']);
  assert.deepEqual(pair.learned, ['198.51.100.8:5000', gatewayAt]);
});

test('an initiation replayed before its answer moves no peer', () => {
  const { pair, device, gateway } = world(gatewayAt);
  const first = device.initiate(start);
  pair.receive(deviceAt, first, start);
  assert.deepEqual(pair.receive(strangerAt, first, start), []);
  pair.receive(gatewayAt, gateway.answer(first, start), start);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
});

test('an attacker who answers itself with both public keys becomes neither end', () => {
  const { pair, device, gateway } = connected();
  const forged = newPeer(gateway.publicKey).initiate(start + 1);
  pair.receive(strangerAt, forged, start + 1);
  const answer = device.forgedAnswer(forged, start + 2);
  pair.receive(strangerAt, answer, start + 2);
  pair.receive(strangerAt, dataFor(answer.subarray(4, 8)), start + 3);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
});

test('a claimed end receives handshakes, and a forged answer does not make it the peer', () => {
  const { pair, device, gateway } = connected();
  pair.receive(strangerAt, newPeer(device.publicKey).initiate(start + 100), start + 100);
  const caught = device.initiate(start + 200);
  assert.deepEqual(destinations(pair.receive(deviceAt, caught, start + 200)), [strangerAt, gatewayAt]);
  pair.receive(strangerAt, device.forgedAnswer(caught, start + 300), start + 300);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
  const answer = gateway.answer(caught, start + 400);
  assert.deepEqual(destinations(pair.receive(gatewayAt, answer, start + 400)), [deviceAt], 'the real one still counts');
  pair.receive(deviceAt, device.finish(answer, start + 500), start + 500);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
});

test('an end that moves while the other one looks for it is followed', () => {
  const { pair, device, gateway } = connected();
  const movedAt = '203.0.113.10:1024';
  const theirs = gateway.initiate(start + 1_000);
  pair.receive(movedAt, theirs, start + 1_000);
  const first = device.initiate(start + 1_000);
  assert.ok(destinations(pair.receive(deviceAt, first, start + 1_000)).includes(movedAt));
  pair.receive(movedAt, gateway.answer(first, start + 1_000), start + 1_000);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
  assert.deepEqual(destinations(pair.receive(deviceAt, device.answer(theirs, start + 1_001), start + 1_001)), [
    movedAt,
  ]);
  assert.deepEqual(pair.learned, [deviceAt, movedAt]);
});

test('two moved ends are followed when no earlier session can be alive', () => {
  const { pair, device, gateway } = connected();
  const [deviceNow, gatewayNow] = ['198.51.100.8:1', '203.0.113.10:2'];
  const meet = (at: number) => {
    pair.receive(gatewayNow, gateway.initiate(at), at);
    const first = device.initiate(at);
    pair.receive(deviceNow, first, at);
    const answer = gateway.answer(first, at);
    pair.receive(gatewayNow, answer, at);
    pair.receive(deviceNow, device.finish(answer, at), at);
    return pair.learned;
  };
  assert.deepEqual(meet(start + 1_000), [deviceAt, gatewayAt]);
  assert.deepEqual(meet(start + 181_000), [deviceNow, gatewayNow]);
});

test('an address receives at most one handshake more than it has sent', () => {
  const { pair, device, gateway } = connected();
  pair.receive(strangerAt, newPeer(device.publicKey).initiate(start), start);
  let sent = 0;
  for (let n = 1; n <= 20; n++) {
    const forged = newPeer(gateway.publicKey).initiate(start + n);
    sent += destinations(pair.receive(`192.0.2.7:${n}`, forged, start + n)).filter((to) => to === strangerAt).length;
  }
  assert.ok(sent <= 2, `${sent}`);
});

test('a late answer moves no peer', () => {
  const { pair, device, gateway } = world(gatewayAt);
  const first = device.initiate(start);
  pair.receive(deviceAt, first, start);
  assert.deepEqual(pair.receive(gatewayAt, gateway.answer(first, start), start + 60_000), []);
  assert.deepEqual(pair.learned, [null, null]);
});

function destinations(forwards: readonly Forward[]): string[] {
  return forwards.map(({ to }) => to).sort();
}

/** A pair, device first, and both peers. */
function world(endpoint: string | null = null) {
  const keys = [privateKeyFrom(randomBytes(32)), privateKeyFrom(randomBytes(32))] as const;
  const [devicePublic, gatewayPublic] = [publicKeyOf(keys[0]), publicKeyOf(keys[1])];
  const device = newPeer(gatewayPublic, keys[0]);
  const gateway = newPeer(devicePublic, keys[1]);
  const pair = new RelayPair([
    { id: 'd', publicKey: devicePublic, endpoint: null },
    { id: 'g', publicKey: gatewayPublic, endpoint },
  ]);
  return { pair, device, gateway };
}

function connected() {
  const made = world(gatewayAt);
  const first = made.device.initiate(start);
  made.pair.receive(deviceAt, first, start);
  made.pair.receive(gatewayAt, made.gateway.answer(first, start), start);
  assert.deepEqual(made.pair.learned, [deviceAt, gatewayAt]);
  return made;
}

function dataFor(receiver: Uint8Array): Buffer {
  const data = Buffer.alloc(32);
  data.writeUInt32LE(4, 0);
  data.set(receiver, 4);
  return data;
}

/** A WireGuard peer that can begin and answer handshakes. */
function newPeer(other: string, privateKey = privateKeyFrom(randomBytes(32))) {
  const initiator = new Initiator({ privateKey, publicKey: other });
  const responder = new Responder({ privateKey, random: (count) => randomBytes(count) });
  let sent: Uint8Array = Buffer.alloc(0);
  let session: Session | null = null;
  const handle = (datagram: Uint8Array, now: number) => responder.handle(datagram, 'relay', now, () => ({}));
  return {
    publicKey: publicKeyOf(privateKey),
    last: () => sent,
    initiate(now: number): Uint8Array {
      const senderIndex = randomBytes(4).readUInt32LE();
      sent = initiator.initiate({ ephemeral: randomBytes(32), senderIndex, timestamp: tai64n(now), now });
      return sent;
    },
    answer(initiation: Uint8Array, now: number): Uint8Array {
      const result = handle(initiation, now);
      assert.ok(result.kind === 'reply');
      return result.datagram;
    },
    finish(response: Uint8Array, now: number): Uint8Array {
      const answer = initiator.receive(response, now);
      assert.ok(answer.kind === 'session');
      session = answer.session;
      const data = session.keepalive(now);
      assert.ok(data !== null);
      return data;
    },
    /** Returns a stranger's forgery: an answer for this peer with the right MAC1 and index, which the peer rejects. */
    forgedAnswer(initiation: Uint8Array, now: number): Uint8Array {
      const stranger = privateKeyFrom(randomBytes(32));
      const senderIndex = Buffer.from(initiation).readUInt32LE(4);
      const begun = new Initiator({ privateKey, publicKey: publicKeyOf(stranger) });
      const first = begun.initiate({ ephemeral: randomBytes(32), senderIndex, timestamp: tai64n(now), now });
      const made = new Responder({ privateKey: stranger, random: (count) => randomBytes(count) });
      const result = made.handle(first, 'anywhere', now, () => ({}));
      assert.ok(result.kind === 'reply');
      return result.datagram;
    },
    accepts: (data: Uint8Array, now: number) => handle(data, now).kind === 'authenticated',
  };
}
