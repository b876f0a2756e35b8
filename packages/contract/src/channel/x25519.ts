import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';

/** Creates a private key from 32 bytes, which are copied. */
export function privateKeyObject(bytes: Uint8Array): KeyObject {
  const der = Buffer.concat([pkcs8Prefix, bytes]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return key;
}

/** Returns the public half, raw, base64. */
export const publicText = (privateKey: KeyObject): string =>
  createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');

/**
 * Returns the shared secret, or null for a malformed key or one of low order (RFC 7748 section 6.1). Node.js reads
 * a public key in PEM twice as fast as one in DER or JWK.
 */
export function sharedSecret(privateKey: KeyObject, peerKey: string): Buffer | null {
  try {
    const raw = Buffer.from(peerKey, 'base64');
    if (raw.length !== 32) return null;
    const body = Buffer.concat([spkiPrefix, raw]).toString('base64');
    const publicKey = createPublicKey(`-----BEGIN PUBLIC KEY-----\n${body}\n-----END PUBLIC KEY-----`);
    const shared = diffieHellman({ privateKey, publicKey });
    return shared.some((byte) => byte !== 0) ? shared : null;
  } catch {
    return null;
  }
}

/** SPKI prefix of an X25519 key (RFC 8410 section 4). The key bytes follow it. */
const spkiPrefix = Buffer.from('302a300506032b656e032100', 'hex');

/** PKCS #8 prefix of an X25519 key (RFC 8410 section 7). The key bytes follow it. */
const pkcs8Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex');
