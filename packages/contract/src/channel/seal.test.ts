import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { keyExchange, type SealedChannel, type Transcript } from './index.ts';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');

function transcript(change: Partial<Transcript> = {}): Transcript {
  return {
    protocol: 1,
    role: 'gateway',
    agent: '5b8e7f60-1111-4222-8333-444455556666',
    agentNonce: key(1),
    controllerNonce: key(2),
    identityKey: key(3),
    controllerKey: key(4),
    agentEphemeral: key(5),
    controllerEphemeral: key(6),
    ...change,
  };
}

/** Returns both ends of a channel. `heard` is the transcript of the controller. */
function pair(heard = transcript()): { agent: SealedChannel; controller: SealedChannel } {
  const [a, c] = [keyExchange('agent', randomBytes(32)), keyExchange('controller', randomBytes(32))];
  const [agent, controller] = [a.agree(c.publicKey, transcript()), c.agree(a.publicKey, heard)];
  assert.ok(agent !== null && controller !== null);
  return { agent, controller };
}

test('each side opens frames that the other seals, in order and in both directions', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.string({ unit: 'grapheme' })), { maxLength: 20 }), (texts) => {
      const { agent, controller } = pair();
      for (const [up, text] of texts) {
        const [from, to] = up ? [agent, controller] : [controller, agent];
        assert.equal(to.open(from.seal(text)), text);
      }
    }),
    { numRuns: 50 },
  );
});

test('a frame out of order is rejected, and so are all later frames', () => {
  const disorders: ((frames: Uint8Array[]) => (Uint8Array | undefined)[])[] = [
    ([a, b]) => [b, a],
    ([, b]) => [b],
    ([a]) => [a, a],
  ];
  for (const disorder of disorders) {
    const { agent, controller } = pair();
    const frames = ['a', 'b', 'c'].map((text) => agent.seal(text));
    const opened = disorder(frames).map((frame) => controller.open(frame ?? new Uint8Array()));
    assert.equal(opened.at(-1), null);
    for (const frame of frames) assert.equal(controller.open(frame), null);
  }
});

test('a changed, truncated, extended or reflected frame is rejected', () => {
  const changes: ((frame: Uint8Array) => Uint8Array)[] = [
    (frame) => frame.subarray(1),
    (frame) => frame.subarray(0, -1),
    (frame) => frame.subarray(0, 15),
    () => new Uint8Array(0),
    (frame) => Buffer.concat([frame, Buffer.alloc(1)]),
    ...Array.from(
      { length: 24 },
      (_, at) => (frame: Uint8Array) => frame.map((byte, i) => (i === at ? byte ^ 1 : byte)),
    ),
  ];
  for (const change of changes) {
    const { agent, controller } = pair();
    assert.equal(controller.open(change(agent.seal('12345678'))), null);
  }
  const { agent } = pair();
  assert.equal(agent.open(agent.seal('mirrored')), null);
});

test('both sides share keys only if their transcripts are equal', () => {
  for (const field of Object.keys(transcript()) as (keyof Transcript)[]) {
    const { agent, controller } = pair(transcript({ [field]: field === 'protocol' ? 2 : key(9) }));
    assert.equal(controller.open(agent.seal('x')), null, field);
  }
});

test('a public key of low order is rejected, and a secret is used once', () => {
  const low = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ].map((hex) => Buffer.from(hex, 'hex').toString('base64'));
  for (const peer of [...low, '', 'nonsense', key(1).slice(4)]) {
    assert.equal(keyExchange('agent', randomBytes(32)).agree(peer, transcript()), null, peer);
  }
  const once = keyExchange('agent', randomBytes(32));
  assert.notEqual(once.agree(key(9), transcript()), null);
  assert.equal(once.agree(key(9), transcript()), null);
});
