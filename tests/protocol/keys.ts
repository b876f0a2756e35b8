import { createHash } from 'node:crypto';
import { privateKeyFrom, publicKeyOf } from '@sallyport/wireguard';

/** The WireGuard key of a plain device, the same for the same name. */
export const deviceKey = (name: string): string =>
  publicKeyOf(privateKeyFrom(createHash('sha256').update(name).digest()));
