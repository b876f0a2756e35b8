import { createHash } from 'node:crypto';
import { presharedKeyFrom, privateKeyFrom, publicKeyOf } from '../keys.ts';

/** Returns a private key that depends only on the label. */
export function privateKeyFor(label: string): string {
  return privateKeyFrom(seed(label));
}

/** Returns the public key of `privateKeyFor(label)`. */
export function publicKeyFor(label: string): string {
  return publicKeyOf(privateKeyFor(label));
}

/** Returns a preshared key that depends only on the label. */
export function presharedKeyFor(label: string): string {
  return presharedKeyFrom(seed(`psk ${label}`));
}

function seed(label: string): Uint8Array {
  return createHash('sha256').update(label).digest();
}
