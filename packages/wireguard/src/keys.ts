import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { invalid } from './errors.ts';

/** Length of every WireGuard key in bytes. */
export const KEY_BYTES = 32;

/**
 * Decodes base64 text to 32 bytes. Accepts only the canonical 44 characters, as `wg` does. The error names `what`, never the
 * text.
 */
export function parseKey(text: string, what = 'key'): Uint8Array {
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]{43}=$/.test(text)) {
    throw invalid(`${what} must be 44 characters of base64`);
  }
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== KEY_BYTES || bytes.toString('base64') !== text) {
    throw invalid(`${what} is not canonical base64 of ${KEY_BYTES} bytes`);
  }
  return new Uint8Array(bytes);
}

/** Encodes 32 bytes as base64 text. */
export function formatKey(bytes: Uint8Array): string {
  if (bytes.length !== KEY_BYTES) throw invalid(`a key has ${KEY_BYTES} bytes`);
  return Buffer.from(bytes).toString('base64');
}

/** Converts base64 text to 64 lower-case hexadecimal digits, as the UAPI uses them. */
export function keyToHex(text: string, what = 'key'): string {
  return Buffer.from(parseKey(text, what)).toString('hex');
}

/** Converts 64 hexadecimal digits to base64 text. */
export function keyFromHex(hex: string, what = 'key'): string {
  if (!/^[0-9a-fA-F]{64}$/.test(hex)) throw invalid(`${what} must be 64 hexadecimal digits`);
  return Buffer.from(hex, 'hex').toString('base64');
}

/** Returns a private key from 32 random bytes, clamped as in RFC 7748 section 5. */
export function privateKeyFrom(random: Uint8Array): string {
  if (random.length !== KEY_BYTES) throw invalid(`a private key is made of ${KEY_BYTES} random bytes`);
  const bytes = Uint8Array.from(random);
  bytes[0] = (bytes[0] ?? 0) & 248;
  bytes[31] = ((bytes[31] ?? 0) & 127) | 64;
  return formatKey(bytes);
}

/** Returns a preshared key from 32 random bytes. */
export function presharedKeyFrom(random: Uint8Array): string {
  return formatKey(random);
}

/** Returns the public key of a private key. */
export function publicKeyOf(privateKey: string): string {
  const der = Buffer.concat([PKCS8_X25519_PREFIX, parseKey(privateKey, 'private key')]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  return key.export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES).toString('base64');
}

/** Returns a digest for comparing preshared keys without storing them. Returns null for no key (all zero). */
export function presharedKeyHash(presharedKey: string | undefined): string | null {
  if (presharedKey === undefined) return null;
  const bytes = parseKey(presharedKey, 'preshared key');
  if (bytes.every((byte) => byte === 0)) return null;
  return createHash('sha256').update('sallyport preshared key\n').update(bytes).digest('base64url').slice(0, 22);
}

/** PKCS #8 prefix of an X25519 key (RFC 8410 section 7). The key bytes follow it. */
const PKCS8_X25519_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
