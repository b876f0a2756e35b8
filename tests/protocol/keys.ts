import { createHash } from 'node:crypto';
import { testWireguardKey } from '@sallyport/agent-core/testing';

/** Returns the WireGuard key of a plain device; the same name gives the same key. */
export const deviceKey = (name: string): string =>
  testWireguardKey(createHash('sha256').update(name).digest()).publicKey;
