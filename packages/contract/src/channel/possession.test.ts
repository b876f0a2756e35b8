import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { keyExchange, provePossession, type Transcript } from './index.ts';

const key = (byte: number) => Buffer.alloc(32, byte).toString('base64');

/** A WireGuard key pair, base64. */
function wireguardKey() {
  const bytes = randomBytes(32);
  return { privateKey: bytes.toString('base64'), publicKey: keyExchange('agent', bytes).publicKey };
}

/** A controller that shares keys with an agent, and their transcript. */
function connection() {
  const [agent, controller] = [keyExchange('agent', randomBytes(32)), keyExchange('controller', randomBytes(32))];
  const transcript: Transcript = {
    protocol: 2,
    role: 'device',
    agent: '5b8e7f60-1111-4222-8333-444455556666',
    agentNonce: key(1),
    controllerNonce: key(2),
    identityKey: key(3),
    controllerKey: key(4),
    agentEphemeral: agent.publicKey,
    controllerEphemeral: controller.publicKey,
  };
  assert.ok(controller.agree(agent.publicKey, transcript) !== null);
  return { controller, transcript };
}

test('the holder of a WireGuard key can prove possession once', () => {
  const { controller, transcript } = connection();
  const { privateKey, publicKey } = wireguardKey();
  const proof = provePossession(privateKey, transcript.controllerEphemeral, transcript) ?? '';
  assert.ok(controller.proves(publicKey, proof, transcript));
  assert.equal(controller.proves(publicKey, proof, transcript), false, 'the one-time secret is gone');
});

test('a proof is valid only for its key, connection and transcript', () => {
  const { privateKey, publicKey } = wireguardKey();
  const attempts: [string, (c: ReturnType<typeof connection>, proof: string) => boolean][] = [
    [
      'another key',
      ({ controller, transcript }, proof) => controller.proves(wireguardKey().publicKey, proof, transcript),
    ],
    ['no proof', ({ controller, transcript }) => controller.proves(publicKey, undefined, transcript)],
    ['a cut proof', ({ controller, transcript }, proof) => controller.proves(publicKey, proof.slice(4), transcript)],
    ['all zero', ({ controller, transcript }, proof) => controller.proves(key(0), proof, transcript)],
    [
      'another connection',
      (_, proof) => {
        const other = connection();
        return other.controller.proves(publicKey, proof, other.transcript);
      },
    ],
    ...Object.entries({ role: 'gateway', agentNonce: key(9), identityKey: key(9), protocol: 1 }).map(
      ([field, value]): (typeof attempts)[number] => [
        field,
        ({ controller, transcript }, proof) =>
          controller.proves(publicKey, proof, { ...transcript, [field]: value } as Transcript),
      ],
    ),
  ];
  for (const [name, attempt] of attempts) {
    const made = connection();
    const proof = provePossession(privateKey, made.transcript.controllerEphemeral, made.transcript) ?? '';
    assert.equal(attempt(made, proof), false, name);
  }
});

test('an agent makes no proof for a one-time key of low order', () => {
  const { transcript } = connection();
  assert.equal(provePossession(wireguardKey().privateKey, key(0), transcript), null);
});

test('an exchange agrees once', () => {
  const { controller, transcript } = connection();
  assert.equal(controller.agree(transcript.agentEphemeral, transcript), null);
});
