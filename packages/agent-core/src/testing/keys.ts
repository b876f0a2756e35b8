import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto';
import { keyExchange, provePossession } from '@sallyport/contract/channel';
import type { AgentCrypto } from '../crypto.ts';

/** An Ed25519 key with the functions that sessions take. */
export interface TestKey extends Omit<AgentCrypto, 'provePossession'> {
  readonly publicKey: string;
}

/** Returns a key from a seed of 32 bytes, or a random key. */
export function testKey(seed?: Uint8Array): TestKey {
  const privateKey = seed === undefined ? generateKeyPairSync('ed25519').privateKey : fromSeed(seed);
  const publicKey = raw(createPublicKey(privateKey)).toString('base64');
  return {
    publicKey,
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64'),
    verify: verifySignature,
    fingerprint,
  };
}

/** A WireGuard key with the function that sessions take. */
export interface TestWireguardKey extends Pick<AgentCrypto, 'provePossession'> {
  readonly publicKey: string;
}

/** Returns a key from a seed of 32 bytes, or a random key. */
export function testWireguardKey(seed: Uint8Array = randomBytes(32)): TestWireguardKey {
  const privateKey = Buffer.from(seed).toString('base64');
  return {
    publicKey: keyExchange('agent', seed).publicKey,
    provePossession: (ephemeral, transcript) => provePossession(privateKey, ephemeral, transcript),
  };
}

/** Returns the first 16 bytes of the SHA-256 of a public key, base64url. */
export function fingerprint(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest().subarray(0, 16).toString('base64url');
}

function verifySignature(publicKey: string, text: string, signature: string): boolean {
  const bytes = Buffer.from(publicKey, 'base64');
  if (bytes.length !== 32) return false;
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }, format: 'jwk' });
  return verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64'));
}

function raw(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' }).subarray(-32);
}

function fromSeed(seed: Uint8Array): KeyObject {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
  return createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' });
}
