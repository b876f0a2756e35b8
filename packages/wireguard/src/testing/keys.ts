import { createHash } from 'node:crypto';
import { presharedKeyFrom, privateKeyFrom, publicKeyOf } from '../keys.ts';

/** The same private key for the same label, in every run. */
export function privateKeyFor(label: string): string {
  return privateKeyFrom(seed(label));
}

/** The public key of `privateKeyFor(label)`. */
export function publicKeyFor(label: string): string {
  return publicKeyOf(privateKeyFor(label));
}

/** The same preshared key for the same label. */
export function presharedKeyFor(label: string): string {
  return presharedKeyFrom(seed(`psk ${label}`));
}

function seed(label: string): Uint8Array {
  return createHash('sha256').update(label).digest();
}
