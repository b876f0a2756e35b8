import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { type ControllerMessage, keyExchange } from '@sallyport/contract/channel';
import fc from 'fast-check';
import { Bench, benchStart as start, benchToken as token } from '../testing/bench.ts';
import { deviceItem } from '../testing/items.ts';
import type { Frame } from './types.ts';

describe('an attacker who carries the frames', () => {
  const deleted: ControllerMessage = { type: 'refused', code: 'deleted', message: 'gone', final: true };
  const attacks: [string, (bench: Bench) => readonly Frame[]][] = [
    ['says in the clear that the gateway was deleted', () => [JSON.stringify(deleted)]],
    ['says anything in the clear', (bench) => [JSON.stringify(bench.controller.snapshot(bench.now))]],
    ['says it in a binary frame', () => [Buffer.from(JSON.stringify(deleted))]],
    [
      'repeats a frame',
      (bench) => {
        const frame = bench.controller.say(bench.controller.lease(bench.now));
        return [frame, frame];
      },
    ],
    [
      'swaps two frames',
      (bench) => {
        const [first, second] = [say(bench, 1), say(bench, 2)];
        return [second, first];
      },
    ],
    ['holds a frame back', (bench) => [say(bench, 1), say(bench, 2)].slice(1)],
    ['cuts a frame short', (bench) => [sealed(bench).subarray(0, -1)]],
    ['sends an empty frame', () => [new Uint8Array(0)]],
    ['adds to a frame', (bench) => [Buffer.concat([sealed(bench), Buffer.from('}')])]],
    ['seals it with keys of its own', (bench) => [sealed(new Bench({ crypto: bench.config().crypto }).deployed())]],
    ['sends back what the agent said', (bench) => [lastSent(bench)]],
  ];
  for (const [name, attack] of attacks) {
    it(`${name}: that ends the connection and changes nothing`, () => {
      const bench = new Bench().deployed();
      const frames = attack(bench);
      const honest = frames.length - 1;
      for (const frame of name === 'repeats a frame' ? frames.slice(0, honest) : []) bench.frame(frame);
      const before = [bench.session.stored(0), bench.session.phase];
      const effects = frames.slice(name === 'repeats a frame' ? honest : 0).flatMap((frame) => bench.frame(frame));
      assert.ok(effects.some((effect) => effect.kind === 'close'));
      assert.ok(!effects.some(({ kind }) => ['apply', 'persist', 'tear-down', 'refused', 'send'].includes(kind)));
      assert.deepEqual(before, [bench.session.stored(0), 'live']);
      assert.equal(bench.session.phase, 'waiting');
    });
  }

  it('changes any one bit: that ends the connection and changes nothing', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 7 }), (place, bit) => {
        const bench = new Bench().deployed();
        const frame = Uint8Array.from(sealed(bench));
        frame[place % frame.length] = (frame[place % frame.length] ?? 0) ^ (1 << bit);
        const before = bench.session.stored(0);
        assert.ok(bench.frame(frame).every(({ kind }) => kind === 'close' || kind === 'log'));
        assert.deepEqual([bench.session.stored(0), bench.session.phase], [before, 'waiting']);
      }),
      { numRuns: 50 },
    );
  });

  it('cannot change the end of an access', () => {
    const bench = new Bench().deployed();
    const ends = deviceItem(1, { expiresAt: start + 1_000 });
    const { upserts, ...delta } = bench.controller.change([ends], [], bench.now);
    bench.frame(JSON.stringify({ ...delta, upserts: upserts.map((item) => ({ ...item, expiresAt: null })) }));
    assert.equal(bench.session.phase, 'waiting');
    assert.equal(bench.session.desired.items.has(ends.key), false);
  });

  it('does not see the token, nor the WireGuard key', () => {
    const bench = new Bench();
    bench.start();
    const frames = bench.open().flatMap((effect) => (effect.kind === 'send' ? [effect.frame] : []));
    assert.ok(bench.controller.heard.some((message) => message.type === 'authenticate' && message.token === token));
    for (const frame of frames) {
      const text = typeof frame === 'string' ? frame : Buffer.from(frame).toString('latin1');
      assert.ok(!text.includes(token) && !text.includes(Buffer.alloc(32, 1).toString('base64')));
    }
    assert.deepEqual(
      frames.map((frame) => typeof frame),
      ['string', 'object'],
    );
  });

  it('cannot put a one-time key of its own into the handshake', () => {
    const own = keyExchange('controller', randomBytes(32)).publicKey;
    const useless = Buffer.alloc(32).toString('base64');
    for (const swap of [own, useless]) {
      const bench = new Bench();
      bench.start();
      const [hello] = bench.opened();
      assert.ok(hello?.kind === 'send');
      const [challenge] = bench.controller.receive(hello.frame, bench.now);
      assert.ok(challenge?.type === 'challenge');
      const effects = bench.frame(JSON.stringify({ ...challenge, ephemeral: swap }));
      assert.deepEqual(bench.sent(effects), []);
      assert.equal(bench.session.phase, 'waiting');
    }
  });

  it('cannot refuse for good, only send the agent into another try', () => {
    for (const code of ['unknown-agent', 'bad-identity', 'taken-over', 'deleted'] as const) {
      const bench = new Bench();
      bench.start();
      bench.opened();
      const effects = bench.frame(JSON.stringify({ ...deleted, code }));
      assert.ok(!effects.some(({ kind }) => kind === 'refused' || kind === 'tear-down'));
      assert.equal(bench.session.phase, 'waiting');
      assert.ok((bench.session.nextDeadline()?.at ?? Infinity) <= start + 15_000);
    }
  });
});

/** The next frame of an honest controller: a new device. */
function say(bench: Bench, device: number): Frame {
  return bench.controller.say(bench.controller.change([deviceItem(device)], [], bench.now));
}

function sealed(bench: Bench): Uint8Array {
  const frame = say(bench, 1);
  assert.ok(typeof frame !== 'string');
  return frame;
}

function lastSent(bench: Bench): Frame {
  const sent = bench.effects.findLast((effect) => effect.kind === 'send');
  assert.ok(sent !== undefined);
  return sent.frame;
}
