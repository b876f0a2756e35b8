import { readFile } from 'node:fs/promises';
import { parseUnmapped } from '@sallyport/ip';
import type { ResolverAddress } from './upstream.ts';

/** Returns the resolvers of `resolv.conf`, at most three, as the system's own library takes them. */
export function parseResolvConf(text: string): ResolverAddress[] {
  const found = text.split('\n').flatMap((line) => {
    const [, address] = /^\s*nameserver\s+(\S+)/.exec(line) ?? [];
    return address !== undefined && parseUnmapped(address) !== null ? [{ address, port: 53 }] : [];
  });
  return found.slice(0, 3);
}

/** Returns this host's resolvers as they are now. */
export async function systemResolvers(): Promise<ResolverAddress[]> {
  return parseResolvConf(await readFile('/etc/resolv.conf', 'utf8').catch(() => ''));
}
