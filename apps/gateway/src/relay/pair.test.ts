import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Initiator, privateKeyFrom, publicKeyOf, Responder, type Session, tai64n } from '@sallyport/wireguard';
import { type Forward, RelayPair } from './pair.ts';

const start = Date.UTC(2026, 0, 1);
const [deviceAt, gatewayAt, strangerAt] = ['198.51.100.7:4000', '203.0.113.9:51820', '192.0.2.66:666'];

test('two peers that nobody knows find each other by their handshakes, and their data passes', () => {
  const { pair, device, gateway } = world();
  const first = device.initiate(start);
  assert.deepEqual(pair.receive(deviceAt, first, start), [], 'there is nobody to send it to yet');
  const theirs = gateway.initiate(start + 100);
  assert.deepEqual(destinations(pair.receive(gatewayAt, theirs, start + 100)), [deviceAt, gatewayAt]);
  const response = gateway.answer(first, start + 101);
  assert.deepEqual(destinations(pair.receive(gatewayAt, response, start + 101)), [deviceAt]);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
  const data = device.finish(response, start + 102);
  assert.deepEqual(destinations(pair.receive(deviceAt, data, start + 102)), [gatewayAt]);
  assert.equal(gateway.accepts(data, start + 102), true);
});

test('a peer with an endpoint is spoken to there at once', () => {
  const { pair, device, gateway } = world(gatewayAt);
  const first = device.initiate(start);
  assert.deepEqual(destinations(pair.receive(deviceAt, first, start)), [gatewayAt]);
  pair.receive(gatewayAt, gateway.answer(first, start), start);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
});

test('who knows the public keys and not the private ones moves nobody', () => {
  const { pair, device, gateway } = connected();
  assert.deepEqual(pair.receive(strangerAt, device.last(), start + 1), [], 'overheard');
  // A forgery with the right MAC1 is forwarded for the gateway to judge, which has no such peer.
  const forged = newPeer(gateway.publicKey).initiate(start + 2);
  assert.deepEqual(destinations(pair.receive(strangerAt, forged, start + 2)), [gatewayAt]);
  const guess = newPeer(device.publicKey);
  const [, fake] = [guess.initiate(start + 3), Buffer.alloc(92)];
  assert.deepEqual(pair.receive(strangerAt, fake, start + 3), []);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
});

test('data of a stranger goes nowhere, nor does anything that is no WireGuard', () => {
  const { pair } = connected();
  const data = Buffer.alloc(64);
  data[0] = 4;
  assert.deepEqual(pair.receive(strangerAt, data, start + 1), []);
  for (const junk of [Buffer.alloc(0), randomBytes(148), randomBytes(1400)]) {
    assert.deepEqual(pair.receive(deviceAt, junk, start + 1), []);
  }
});

test('a peer that moved is followed when its next handshake is answered', () => {
  const { pair, device, gateway } = connected();
  const again = device.initiate(start + 10_000);
  assert.deepEqual(destinations(pair.receive('198.51.100.8:5000', again, start + 10_000)), [gatewayAt]);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt], 'not before somebody with the key has answered');
  const answered = pair.receive(gatewayAt, gateway.answer(again, start + 10_001), start + 10_001);
  assert.deepEqual(destinations(answered), ['198.51.100.8:5000']);
  assert.deepEqual(pair.learned, ['198.51.100.8:5000', gatewayAt]);
});

test('an initiation that is overheard and repeated faster than it is answered moves nobody', () => {
  const { pair, device, gateway } = world(gatewayAt);
  const first = device.initiate(start);
  pair.receive(deviceAt, first, start);
  assert.deepEqual(pair.receive(strangerAt, first, start), []);
  pair.receive(gatewayAt, gateway.answer(first, start), start);
  assert.deepEqual(pair.learned, [deviceAt, gatewayAt]);
});

test('an answer that comes too late moves nobody', () => {
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
    accepts: (data: Uint8Array, now: number) => handle(data, now).kind === 'authenticated',
  };
}
