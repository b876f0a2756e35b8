import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';

/** An X25519 key pair (RFC 7748). `publicKey`: 32 bytes. The private half stays inside. */
export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

/** Returns the key pair of 32 private bytes. X25519 clamps them itself. */
export function keyPairOf(privateBytes: Uint8Array): KeyPair {
  const privateKey = createPrivateKey({
    key: bufferOf(privateBytes),
    format: 'raw-private',
    asymmetricKeyType: 'x25519',
  });
  return { privateKey, publicKey: createPublicKey(privateKey).export({ format: 'raw-public' }) };
}

/** Prepares a public key of 32 bytes for `agree`. */
export function publicKeyObject(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: bufferOf(bytes), format: 'raw-public', asymmetricKeyType: 'x25519' });
}

/** DH of the WireGuard paper, section 5.4. Returns null for a public key of low order, which gives a zero result. */
export function agree(privateKey: KeyObject, publicKey: KeyObject): Uint8Array | null {
  try {
    const shared = diffieHellman({ privateKey, publicKey });
    return shared.every((byte) => byte === 0) ? null : shared;
  } catch {
    return null; // OpenSSL itself refuses to give a zero result.
  }
}

/** Returns the same bytes as a Buffer, for the types of node:crypto. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
