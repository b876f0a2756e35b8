import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';

/** An X25519 key pair (RFC 7748). `publicKey`: 32 bytes. The private half stays inside. */
export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

/** The key pair of 32 private bytes, clamped or not: X25519 clamps as it computes. */
export function keyPairOf(privateBytes: Uint8Array): KeyPair {
  const privateKey = createPrivateKey({
    key: bufferOf(privateBytes),
    format: 'raw-private',
    asymmetricKeyType: 'x25519',
  });
  return { privateKey, publicKey: createPublicKey(privateKey).export({ format: 'raw-public' }) };
}

/** A public key of 32 bytes, made ready for `agree`. */
export function publicKeyObject(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: bufferOf(bytes), format: 'raw-public', asymmetricKeyType: 'x25519' });
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

/** The same bytes; the types of node:crypto want to see a Buffer. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
