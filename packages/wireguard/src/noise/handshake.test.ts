import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keepaliveOf, SOURCE, stage, wordOf } from '../testing/handshake.ts';
import { presharedKeyFor, privateKeyFor, publicKeyFor } from '../testing/keys.ts';
import { seal } from './aead.ts';
import { Initiator, tai64n } from './index.ts';
import { decodeMessage, encodeTransport, type TransportMessage } from './messages.ts';
import { REJECT_AFTER_MESSAGES, REJECT_AFTER_MS, Session } from './session.ts';

const initiatorOf = (label: string, presharedKey?: string): Initiator =>
  new Initiator({
    privateKey: privateKeyFor(label),
    publicKey: publicKeyFor('responder'),
    ...(presharedKey === undefined ? {} : { presharedKey }),
  });
const NONE = new Uint8Array(0);

test('a handshake gives both sides a session, which the first message confirms', () => {
  const s = stage();
  const initiator = initiatorOf('a');
  const initiation = s.initiation(initiator);
  assert.equal(initiation.length, 148);
  const reply = s.handle(initiation);
  assert.ok(reply.kind === 'reply' && reply.datagram.length === 92);
  assert.equal(reply.peer, publicKeyFor('a'));
  assert.equal(s.responder.keepalive(publicKeyFor('a'), s.now), null, 'nothing is sent before the peer confirmed');
  const answer = initiator.receive(reply.datagram, s.now + 30);
  assert.ok(answer.kind === 'session' && answer.roundTripMs === 30);
  const { session } = answer;
  const first = keepaliveOf(session, s.now);
  assert.equal(first.length, 32);
  const proof = { kind: 'authenticated', peer: publicKeyFor('a'), source: 'x:1', at: s.now, keepalive: true };
  assert.deepEqual(s.handle(first, 'x:1'), { ...proof, first: true });
  assert.deepEqual(s.handle(keepaliveOf(session, s.now), 'x:1'), { ...proof, first: false });
  assert.equal(wordOf(s.handle(first, 'x:1')), 'repeated');
  const back = s.responder.keepalive(publicKeyFor('a'), s.now) ?? assert.fail();
  assert.deepEqual(session.receive(decoded(back), s.now), { kind: 'authentic', keepalive: true });
  assert.equal(wordOf(session.receive(decoded(back), s.now)), 'repeated');
  assert.equal(wordOf(initiator.receive(reply.datagram, s.now)), 'unexpected', 'an answer counts once');
});

test('a message with a payload is reported without its payload', () => {
  const s = stage();
  const { remoteIndex: receiverIndex, sendKey } = s.shake(initiatorOf('a')).keys;
  const sealed = seal(sendKey, 5n, Buffer.alloc(1200, 7), NONE);
  const result = s.handle(encodeTransport({ receiverIndex, counter: 5n, sealed }));
  assert.ok(result.kind === 'authenticated' && result.first && !result.keepalive);
});

test('a packet arrives unchanged and padded, once, and only in its session', () => {
  const keys = { peer: 'p', sendKey: Buffer.alloc(32, 1), receiveKey: Buffer.alloc(32, 2), createdAt: 0 };
  const here = new Session({ ...keys, localIndex: 1, remoteIndex: 2 });
  const turned = { ...keys, sendKey: keys.receiveKey, receiveKey: keys.sendKey };
  const there = new Session({ ...turned, localIndex: 2, remoteIndex: 1 });
  const elsewhere = new Session({ ...turned, localIndex: 3, remoteIndex: 1 });
  const message = decoded(here.transport(Buffer.from('a packet'), 0) ?? assert.fail());
  assert.equal(elsewhere.open(message, 0), null);
  assert.equal(Buffer.from(there.open(message, 0) ?? assert.fail()).toString(), `a packet${'\0'.repeat(8)}`);
  assert.equal(there.open(message, 0), null, 'repeated');
  assert.equal(here.open(message, 0), null, 'it was not sealed for this side');
  assert.equal(here.transport(Buffer.from('late'), REJECT_AFTER_MS), null);
});

test('without the same preshared key on both sides there is no session', () => {
  const s = stage();
  const right = { presharedKey: presharedKeyFor('a') };
  s.known = new Map([[publicKeyFor('a'), right]]);
  assert.equal(s.handle(keepaliveOf(s.shake(initiatorOf('a', right.presharedKey)), s.now)).kind, 'authenticated');
  for (const wrong of [undefined, presharedKeyFor('b')]) {
    const initiator = initiatorOf('a', wrong);
    const reply = s.handle(s.initiation(initiator));
    assert.ok(reply.kind === 'reply');
    assert.equal(wordOf(initiator.receive(reply.datagram, s.now)), 'forged');
  }
});

test('unknown keys, and senders without our public key, get no answer', () => {
  const s = stage();
  s.known = new Map([[publicKeyFor('a'), {}]]);
  assert.equal(wordOf(s.handle(s.initiation(initiatorOf('b')))), 'unknown-peer');
  const lost = new Initiator({ privateKey: privateKeyFor('a'), publicKey: publicKeyFor('another responder') });
  assert.equal(wordOf(s.handle(s.initiation(lost))), 'bad-mac');
  for (const publicKey of [Buffer.alloc(32).toString('base64'), 'nonsense']) {
    assert.throws(() => new Initiator({ privateKey: privateKeyFor('a'), publicKey }), /public key/);
  }
});

test('a timestamp that is not newer is a replay, a newer one right behind is a flood', () => {
  const s = stage();
  const initiator = initiatorOf('a');
  const [older, newer] = [s.initiation(initiator), s.initiation(initiator)];
  assert.equal(s.handle(newer).kind, 'reply');
  s.now += 10_000;
  assert.equal(wordOf(s.handle(newer)), 'replayed');
  assert.equal(wordOf(s.handle(older)), 'replayed');
  assert.equal(s.handle(s.initiation(initiatorOf('b'))).kind, 'reply', 'each peer has its own timestamp');
  const at = (timestamp: number) =>
    initiator.initiate({ ephemeral: s.random(32), senderIndex: 1, timestamp: tai64n(timestamp), now: s.now });
  assert.equal(s.handle(at(s.now + 1)).kind, 'reply');
  s.now += 19;
  assert.equal(wordOf(s.handle(at(s.now + 2))), 'flood');
  s.now += 1;
  assert.equal(s.handle(at(s.now + 2)).kind, 'reply');
});

test('a slow lookup does not block other handshakes, and an overtaken initiation is a replay', () => {
  const s = stage();
  const initiator = initiatorOf('a');
  const slow = s.responder.open(s.initiation(initiator), SOURCE, s.now);
  assert.ok(slow.kind === 'initiation' && slow.peer === publicKeyFor('a'));
  assert.deepEqual(slow.timestamp, tai64n(s.now));
  s.shake(initiatorOf('b'));
  const reply = s.responder.accept(slow.pending, {}, s.now);
  assert.ok(reply.kind === 'reply');
  const answer = initiator.receive(reply.datagram, s.now);
  assert.ok(answer.kind === 'session');
  assert.equal(s.handle(keepaliveOf(answer.session, s.now)).kind, 'authenticated');
  const overtaken = s.responder.open(s.initiation(initiator), SOURCE, s.now);
  s.shake(initiator);
  assert.ok(overtaken.kind === 'initiation');
  assert.equal(wordOf(s.responder.accept(overtaken.pending, {}, s.now)), 'replayed');
});

test('a late response counts if its attempt is one of the last sixteen', () => {
  const s = stage();
  const initiator = initiatorOf('a');
  const replies = Array.from({ length: 17 }, () => s.handle(s.initiation(initiator)));
  const words = replies.map((reply) =>
    wordOf(reply.kind === 'reply' ? initiator.receive(reply.datagram, s.now) : reply),
  );
  assert.deepEqual(words, ['unexpected', ...Array(16).fill('session')]);
});

test('a session ends after 180 seconds, or when its counter is used up', () => {
  const s = stage();
  const session = s.shake(initiatorOf('a'));
  const [used, unused] = [keepaliveOf(session, s.now), keepaliveOf(session, s.now)];
  s.now += REJECT_AFTER_MS - 1;
  assert.equal(s.handle(used).kind, 'authenticated');
  assert.notEqual(s.responder.keepalive(publicKeyFor('a'), s.now), null);
  s.now += 1;
  assert.equal(session.keepalive(s.now), null);
  assert.equal(s.responder.keepalive(publicKeyFor('a'), s.now), null);
  assert.equal(wordOf(s.handle(unused)), 'unknown-session');

  const key = s.random(32);
  const keys = { peer: '', localIndex: 3, remoteIndex: 4, sendKey: key, receiveKey: key, createdAt: 0 };
  const old = new Session(keys);
  const take = (counter: bigint) =>
    old.receive({ kind: 'transport', receiverIndex: 3, counter, sealed: seal(key, counter, NONE, NONE) }, 0);
  assert.equal(wordOf(take(REJECT_AFTER_MESSAGES)), 'unknown-session');
  assert.equal(wordOf(take(REJECT_AFTER_MESSAGES - 1n)), 'authentic');
});

test('after any history of handshakes and messages, the live sessions are those of the paper', () => {
  const step = fc.oneof(
    fc.constant({ do: 'shake' } as const),
    fc.record({ do: fc.constant('use' as const), which: fc.nat(4) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.nat(REJECT_AFTER_MS) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const s = stage();
      const initiator = initiatorOf('a');
      const made: { session: Session; at: number }[] = [];
      let alive: { next?: Session; current?: Session; previous?: Session } = {};
      for (const now of steps) {
        if (now.do === 'wait') s.now += now.ms;
        if (now.do === 'shake') {
          const session = s.shake(initiator);
          made.unshift({ session, at: s.now });
          alive = { next: session, ...(alive.current ? { current: alive.current } : {}) };
        }
        const used = now.do === 'use' ? made[now.which] : undefined;
        if (used === undefined || s.now - used.at >= REJECT_AFTER_MS) continue;
        const { session } = used;
        const first = alive.next === session;
        const lives = first || alive.current === session || alive.previous === session;
        const result = s.handle(keepaliveOf(session, s.now));
        assert.equal(wordOf(result), lives ? 'authenticated' : 'unknown-session');
        assert.equal(result.kind === 'authenticated' && result.first, first);
        if (first) alive = { current: session, ...(alive.current ? { previous: alive.current } : {}) };
      }
    }),
    { numRuns: 40 },
  );
});

test('memory is bounded: the peer with the oldest handshake is forgotten', () => {
  const s = stage({ maxPeers: 3 });
  const sessions = ['a', 'b', 'c', 'd'].map((label) => s.shake(initiatorOf(label)));
  const words = sessions.map((session) => wordOf(s.handle(keepaliveOf(session, s.now))));
  assert.deepEqual(words, ['unknown-session', 'authenticated', 'authenticated', 'authenticated']);
});

test('a forgotten peer has no session and can start a new one', () => {
  const s = stage();
  const initiator = initiatorOf('a');
  const session = s.shake(initiator);
  s.handle(keepaliveOf(session, s.now));
  s.responder.forget(publicKeyFor('a'));
  assert.equal(wordOf(s.handle(keepaliveOf(session, s.now))), 'unknown-session');
  assert.equal(s.responder.keepalive(publicKeyFor('a'), s.now), null);
  assert.equal(s.handle(keepaliveOf(s.shake(initiator), s.now)).kind, 'authenticated');
});

test('session indices differ even if random values repeat', () => {
  const s = stage({ random: (bytes) => new Uint8Array(bytes).fill(255) });
  const sessions = ['a', 'b', 'c'].map((label) => s.shake(initiatorOf(label)));
  assert.deepEqual(
    sessions.map(({ keys }) => keys.remoteIndex),
    [0xffffffff, 0, 1],
  );
  for (const session of sessions) assert.equal(s.handle(keepaliveOf(session, s.now)).kind, 'authenticated');
});

function decoded(datagram: Uint8Array): TransportMessage {
  const message = decodeMessage(datagram);
  assert.ok(message?.kind === 'transport');
  return message;
}
