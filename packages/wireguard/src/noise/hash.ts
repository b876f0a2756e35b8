import { createHash } from 'node:crypto';
import { blake2s } from './blake2s.ts';

/** HASH of the WireGuard paper, section 5.4: BLAKE2s of the parts joined, 32 bytes. */
export function hash(...parts: readonly Uint8Array[]): Uint8Array {
  const state = createHash('blake2s256');
  for (const part of parts) state.update(part);
  return state.digest();
}

/** MAC of the same section: keyed BLAKE2s, 16 bytes. */
export function mac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return blake2s(data, 16, key);
}

/** HMAC of the same section: HMAC-BLAKE2s (RFC 2104), 32 bytes, with a key of 32 bytes. createHmac is five times slower. */
export function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const inner = new Uint8Array(BLOCK).fill(0x36);
  const outer = new Uint8Array(BLOCK).fill(0x5c);
  key.forEach((byte, i) => {
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  });
  return hash(outer, hash(inner, ...parts));
}

/** KDF1 of the same section: derives one key from a chaining key and new material. */
export function kdf1(chainingKey: Uint8Array, material: Uint8Array): Uint8Array {
  return hmac(hmac(chainingKey, material), ONE);
}

/** KDF2: two keys. */
export function kdf2(chainingKey: Uint8Array, material: Uint8Array): [Uint8Array, Uint8Array] {
  const secret = hmac(chainingKey, material);
  const first = hmac(secret, ONE);
  return [first, hmac(secret, first, TWO)];
}

/** KDF3: three keys. */
export function kdf3(chainingKey: Uint8Array, material: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] {
  const secret = hmac(chainingKey, material);
  const first = hmac(secret, ONE);
  const second = hmac(secret, first, TWO);
  return [first, second, hmac(secret, second, THREE)];
}

const BLOCK = 64;
const ONE = Uint8Array.of(1);
const TWO = Uint8Array.of(2);
const THREE = Uint8Array.of(3);
