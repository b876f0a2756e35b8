import { createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto';

/** The controller's Ed25519 key. `sign` signs the UTF-8 bytes of a text; everything is base64 of the raw bytes. */
export interface ControllerIdentity {
  readonly publicKey: string;
  readonly sign: (text: string) => string;
}

/** Returns whether an Ed25519 signature over the text is valid. Returns false for malformed input; never throws. */
export function verifyText(publicKey: string, text: string, signature: string): boolean {
  try {
    const bytes = Buffer.from(signature, 'base64');
    return bytes.length === 64 && verify(null, Buffer.from(text), ed25519(publicKey), bytes);
  } catch {
    return false;
  }
}

/**
 * Returns the canonical base64 text of a 32-byte key, or null. Spare bits and missing padding give the same bytes
 * several texts.
 */
export function canonicalKey(text: string): string | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === 32 && bytes.some((byte) => byte !== 0) ? bytes.toString('base64') : null;
}

/** Compares keys as bytes and in constant time. */
export function sameKey(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, 'base64'), Buffer.from(b, 'base64')];
  return left.length === right.length && timingSafeEqual(left, right);
}

function ed25519(raw: string): KeyObject {
  const x = Buffer.from(raw, 'base64').toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}
