import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepaliveOf, SOURCE, type Stage, stage, wordOf } from '../testing/handshake.ts';
import { privateKeyFor, publicKeyFor } from '../testing/keys.ts';
import { Initiator } from './index.ts';
import { COOKIE_MS } from './macs.ts';

const initiatorOf = (label: string): Initiator =>
  new Initiator({ privateKey: privateKeyFor(label), publicKey: publicKeyFor('responder') });

test('under load only initiations with a cookie are answered', () => {
  const { s, initiator } = crowded();
  const reply = s.handle(s.initiation(initiator));
  assert.ok(reply.kind === 'reply' && reply.peer === null && reply.datagram.length === 64);
  assert.equal(wordOf(s.handle(s.initiation(initiator))), 'reply', 'it has not read its cookie yet');
  takeCookie(s, initiator);
  assert.equal(s.handle(keepaliveOf(s.shake(initiator), s.now)).kind, 'authenticated');
});

test('a cookie is valid for one address and port', () => {
  const { s, initiator } = crowded();
  takeCookie(s, initiator);
  for (const elsewhere of ['192.0.2.7:4243', '192.0.2.8:4242', '[2001:db8::7]:4242']) {
    assert.ok(isCookie(s.handle(s.initiation(initiator), elsewhere)), elsewhere);
  }
  s.shake(initiator, SOURCE);
});

test('a cookie is valid for two minutes: the initiator drops it, the responder changes its secret', () => {
  const { s, initiator } = crowded();
  takeCookie(s, initiator);
  s.now += COOKIE_MS - 1002;
  s.shake(initiator);
  s.now += 2000;
  const without = s.initiation(initiator);
  assert.deepEqual(Buffer.from(without.subarray(-16)), Buffer.alloc(16));
  assert.ok(isCookie(s.handle(without)));

  const { s: other, initiator: late } = crowded();
  takeCookie(other, initiatorOf('b'));
  other.now += COOKIE_MS - 2000;
  takeCookie(other, late);
  other.now += 2000;
  const stale = other.initiation(late);
  assert.notDeepEqual(Buffer.from(stale.subarray(-16)), Buffer.alloc(16));
  assert.ok(isCookie(other.handle(stale)), 'made with the secret of before');
});

test('only the sender of an initiation can open its cookie reply', () => {
  const { s, initiator } = crowded();
  const reply = s.handle(s.initiation(initiator));
  assert.ok(reply.kind === 'reply');
  assert.equal(wordOf(initiatorOf('a').receive(reply.datagram, s.now)), 'unexpected');
  for (let at = 4; at < 64; at++) {
    const changed = reply.datagram.map((byte, i) => (i === at ? byte ^ 1 : byte));
    assert.equal(wordOf(initiator.receive(changed, s.now)), at < 8 ? 'unexpected' : 'forged');
  }
  assert.equal(initiator.receive(reply.datagram, s.now).kind, 'cookie');
});

test('without load no cookie is needed, and a wrong one is ignored', () => {
  const { s, initiator } = crowded();
  takeCookie(s, initiator);
  s.underLoad = false;
  const initiation = s.initiation(initiator);
  initiation[147] = (initiation[147] ?? 0) ^ 1;
  const reply = s.handle(initiation);
  assert.ok(reply.kind === 'reply' && reply.peer === publicKeyFor('a'));
});

test('too many handshakes a second count as load until the rate falls', () => {
  const s = stage({ handshakesPerSecond: 3 });
  const initiations = ['a', 'b', 'c', 'd', 'e'].map((label) => s.initiation(initiatorOf(label)));
  assert.deepEqual(
    initiations.map((initiation) => isCookie(s.handle(initiation))),
    [false, false, false, true, true],
  );
  s.now += 1000;
  assert.equal(isCookie(s.handle(s.initiation(initiatorOf('d')))), false);
});

test('senders without our public key do not use up the budget', () => {
  const s = stage({ handshakesPerSecond: 3 });
  const garbage = new Uint8Array(148).fill(9).fill(0, 1, 4).fill(1, 0, 1);
  for (let i = 0; i < 100; i++) assert.equal(wordOf(s.handle(garbage)), 'bad-mac');
  assert.equal(isCookie(s.handle(s.initiation(initiatorOf('a')))), false);
});

test('under load one address, whatever its port, gets five handshakes at once and twenty a second', () => {
  const places = [(i: number) => `[2001:db8:0:1::${i}]:${4000 + i}`, (i: number) => `192.0.2.7:${4000 + i}`];
  for (const place of places) {
    const { s } = crowded();
    const attempts = Array.from({ length: 8 }, (_, i) => {
      const initiator = initiatorOf(`peer ${i}`);
      takeCookie(s, initiator, place(i));
      return { initiation: s.initiation(initiator), source: place(i) };
    });
    const take = (rows: typeof attempts) => rows.map(({ initiation, source }) => wordOf(s.handle(initiation, source)));
    assert.deepEqual(take(attempts), [...Array(5).fill('reply'), ...Array(3).fill('rate')]);
    s.now += 100;
    assert.deepEqual(take(attempts.slice(5)), ['reply', 'reply', 'rate']);
    const neighbour = initiatorOf('neighbour');
    takeCookie(s, neighbour, '[2001:db8:0:2::1]:1');
    s.shake(neighbour, '[2001:db8:0:2::1]:1');
  }
});

function crowded(): { s: Stage; initiator: Initiator } {
  const s = stage();
  s.underLoad = true;
  return { s, initiator: initiatorOf('a') };
}

function isCookie(result: { kind: string; peer?: string | null; datagram?: Uint8Array }): boolean {
  return result.kind === 'reply' && result.peer === null && result.datagram?.[0] === 3;
}

function takeCookie(s: Stage, initiator: Initiator, source = SOURCE): void {
  const reply = s.handle(s.initiation(initiator), source);
  assert.ok(isCookie(reply) && reply.kind === 'reply', JSON.stringify(reply));
  assert.equal(initiator.receive(reply.datagram, s.now).kind, 'cookie');
}
