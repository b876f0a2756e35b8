import { createHash } from 'node:crypto';
import { testWireguardKey } from '@sallyport/agent-core/testing';

/** The WireGuard key of a plain device, the same for the same name. */
export const deviceKey = (name: string): string =>
  testWireguardKey(createHash('sha256').update(name).digest()).publicKey;
