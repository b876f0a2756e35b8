import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';

/** The private key of 32 bytes, which are copied. */
export function privateKeyObject(bytes: Uint8Array): KeyObject {
  const der = Buffer.concat([pkcs8Prefix, bytes]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  der.fill(0);
  return key;
}

/** The public half, raw, base64. */
export const publicText = (privateKey: KeyObject): string =>
  createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');

/** Null for a malformed key, and for one that makes the secret known to everybody (RFC 7748 section 6.1). */
export function sharedSecret(privateKey: KeyObject, peerKey: string): Buffer | null {
  try {
    const x = Buffer.from(peerKey, 'base64').toString('base64url');
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
    const shared = diffieHellman({ privateKey, publicKey });
    return shared.some((byte) => byte !== 0) ? shared : null;
  } catch {
    return null;
  }
}

/** PKCS #8 of an X25519 key up to the key itself (RFC 8410 section 7). */
const pkcs8Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex');
