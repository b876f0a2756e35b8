import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keepaliveOf, SOURCE, seededRandom, stage, wordOf } from '../testing/handshake.ts';
import { privateKeyFor, publicKeyFor } from '../testing/keys.ts';
import { Initiator } from './index.ts';
import { macKeysOf, stampMacs } from './macs.ts';
import { decodeMessage } from './messages.ts';

const initiatorOf = (label: string): Initiator =>
  new Initiator({ privateKey: privateKeyFor(label), publicKey: publicKeyFor('responder') });
const macsOf = (label: string) => macKeysOf(Buffer.from(publicKeyFor(label), 'base64'));
const flip = (bytes: Uint8Array, bit: number): Uint8Array =>
  bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
const bitsOf = (bytes: Uint8Array, from = 0, to = bytes.length): number[] =>
  Array.from({ length: (to - from) * 8 }, (_, i) => from * 8 + i);

/** One valid message of each type, as an attacker on the path could record them. */
function seen() {
  const s = stage();
  const initiator = initiatorOf('a');
  const initiation = s.initiation(initiator);
  const response = s.handle(initiation);
  s.underLoad = true;
  const cookie = s.handle(s.initiation(initiatorOf('b')));
  s.underLoad = false;
  assert.ok(response.kind === 'reply' && cookie.kind === 'reply');
  const session = s.shake(initiatorOf('c'));
  const transport = keepaliveOf(session, s.now);
  return { s, initiator, initiation, response: response.datagram, cookie: cookie.datagram, transport };
}

test('arbitrary datagrams never throw, and forged ones are neither accepted nor answered', () => {
  const { s, initiator, initiation, response, cookie, transport } = seen();
  const valid = [initiation, response, cookie, transport];
  const header = fc.tuple(fc.nat(6), fc.constantFrom(0, 0, 0, 1), fc.constant(0), fc.constantFrom(0, 0, 0, 255));
  const made = fc
    .tuple(
      header,
      fc.oneof(fc.constantFrom(28, 60, 88, 144), fc.nat(2000)),
      fc.uint8Array({ minLength: 1, maxLength: 200 }),
    )
    .map(([head, length, body]) => Buffer.concat([Uint8Array.from(head), Buffer.alloc(length, body)]));
  const spliced = fc
    .tuple(fc.constantFrom(...valid), fc.constantFrom(...valid), fc.nat(148), fc.nat(148))
    .map(([a, b, i, j]) => Buffer.concat([a.subarray(0, i), b.subarray(j)]))
    .filter((bytes) => !valid.some((message) => Buffer.compare(message, bytes) === 0));
  fc.assert(
    fc.property(fc.oneof(made, spliced, fc.uint8Array({ maxLength: 300 })), fc.string(), (datagram, source) => {
      for (const underLoad of [false, true]) {
        s.underLoad = underLoad;
        const result = s.handle(datagram, source);
        assert.notEqual(result.kind, 'authenticated');
        assert.ok(result.kind === 'ignored' || isPrefixOfInitiation(datagram, initiation), wordOf(result));
      }
      assert.equal(initiator.receive(datagram, s.now).kind, 'ignored');
    }),
    { numRuns: 2000 },
  );
});

test('a message of a wrong length, or with reserved bytes set, is rejected', () => {
  const { initiation, response, cookie, transport } = seen();
  for (const message of [initiation, response, cookie]) {
    assert.notEqual(decodeMessage(message), null);
    for (let length = 0; length < message.length; length++)
      assert.equal(decodeMessage(message.subarray(0, length)), null);
    assert.equal(decodeMessage(Buffer.concat([message, Buffer.alloc(1)])), null);
  }
  for (let length = 0; length < 32; length++) assert.equal(decodeMessage(transport.subarray(0, length)), null);
  for (const message of [initiation, response, cookie, transport]) {
    for (const bit of bitsOf(message, 1, 4)) assert.equal(decodeMessage(flip(message, bit)), null);
  }
});

test('a change of any bit of an initiation is detected, even with a recomputed MAC1', () => {
  const { s, initiator } = seen();
  const initiation = s.initiation(initiator);
  for (const bit of bitsOf(initiation, 0, 132)) {
    const result = s.handle(flip(initiation, bit));
    assert.equal(result.kind, 'ignored', `bit ${bit}`);
  }
  // Noise does not protect the sender index: a changed one only misdirects the answer.
  for (const bit of bitsOf(initiation, 8, 116)) {
    const changed = flip(initiation, bit);
    stampMacs(changed, macsOf('responder'), null);
    assert.equal(wordOf(s.handle(changed)), 'forged', `bit ${bit}`);
    s.now += 10;
  }
  assert.equal(s.handle(initiation).kind, 'reply', 'the real one is none the worse for it');
});

test('a change of any bit of a response is detected, even with a recomputed MAC1', () => {
  const { s, initiator, response } = seen();
  for (const bit of bitsOf(response, 0, 76)) {
    assert.equal(initiator.receive(flip(response, bit), s.now).kind, 'ignored', `bit ${bit}`);
  }
  for (const bit of bitsOf(response, 8, 60)) {
    const changed = flip(response, bit);
    stampMacs(changed, macsOf('a'), null);
    assert.equal(wordOf(initiator.receive(changed, s.now)), bit < 96 ? 'unexpected' : 'forged', `bit ${bit}`);
  }
  assert.equal(initiator.receive(response, s.now).kind, 'session', 'the real one is none the worse for it');
});

test('a change of any bit of a transport message is detected and does not affect the replay window', () => {
  const { s, transport } = seen();
  for (const bit of bitsOf(transport)) {
    const expected = bit < 32 ? /malformed|unexpected/ : bit < 64 ? /unknown-session/ : /unauthentic|unknown-session/;
    assert.match(wordOf(s.handle(flip(transport, bit))), expected, `bit ${bit}`);
  }
  assert.match(wordOf(s.handle(Buffer.concat([transport, Buffer.alloc(60_000)]))), /unauthentic/);
  assert.equal(s.handle(transport).kind, 'authenticated');
});

test('points of low order are rejected in every field', () => {
  const { s, initiator } = seen();
  const random = seededRandom('points');
  for (const first of [0, 1]) {
    const initiation = Uint8Array.from(s.initiation(initiator));
    initiation.fill(0, 8, 40).fill(first, 8, 9);
    stampMacs(initiation, macsOf('responder'), null);
    assert.equal(wordOf(s.handle(initiation)), 'forged');
    const reply = s.handle(s.initiation(initiator), SOURCE);
    assert.ok(reply.kind === 'reply');
    const response = Uint8Array.from(reply.datagram);
    response.fill(0, 12, 44).fill(first, 12, 13);
    stampMacs(response, macsOf('a'), random(16));
    assert.equal(wordOf(initiator.receive(response, s.now)), 'forged');
  }
});

test('replayed messages are rejected from any source', () => {
  const { s, initiation, response, cookie, transport } = seen();
  s.handle(transport);
  for (const message of [initiation, response, cookie, transport]) {
    for (const source of [SOURCE, 'elsewhere:1']) assert.equal(s.handle(message, source).kind, 'ignored');
  }
});

/** Under load a genuine MAC1 is answered with a cookie, regardless of the rest of the message and MAC2. */
function isPrefixOfInitiation(datagram: Uint8Array, initiation: Uint8Array): boolean {
  return datagram.length === 148 && Buffer.compare(datagram.subarray(0, 132), initiation.subarray(0, 132)) === 0;
}
