import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import { KEY_BYTES } from '../keys.ts';

/** An X25519 key pair (RFC 7748). `publicKey`: 32 bytes. The private half stays inside. */
export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

/** The key pair of 32 private bytes, clamped or not: X25519 clamps as it computes. */
export function keyPairOf(privateBytes: Uint8Array): KeyPair {
  const der = Buffer.concat([PKCS8_PREFIX, privateBytes]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return { privateKey, publicKey: spki.subarray(-KEY_BYTES) };
}

/** A public key of 32 bytes, made ready for `agree`. */
export function publicKeyObject(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: 'der', type: 'spki' });
}

/** DH of the WireGuard paper, section 5.4; null for a public key that makes the result zero, which everybody could know. */
export function agree(privateKey: KeyObject, publicKey: KeyObject): Uint8Array | null {
  try {
    const shared = diffieHellman({ privateKey, publicKey });
    return shared.every((byte) => byte === 0) ? null : shared;
  } catch {
    return null; // OpenSSL itself refuses to give a zero result.
  }
}

/** PKCS #8 and SubjectPublicKeyInfo of X25519 up to the key itself (RFC 8410). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');
