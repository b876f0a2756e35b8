import type { IncomingMessage } from 'node:http';
import { canonicalUnmapped, parseAddress, parsePrefix, parseUnmapped, rangeContains, unmapPrefix } from '@sallyport/ip';

/**
 * Returns a function for the source address of a request: the address of the connection, or the one that a trusted proxy
 * reports. The first address from the right that is no trusted proxy counts, because clients can forge those left of it.
 */
export function sourceAddress(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  const isTrusted = proxyTest(trustedProxies);
  return (request) => {
    const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',');
    const hops = [...forwarded.map((hop) => hop.trim()).filter((hop) => hop !== ''), peerOf(request)];
    for (let at = hops.length - 1; at > 0; at--) {
      const hop = unmapped(hops[at] ?? '');
      if (!isTrusted(hop) || parseAddress(hops[at - 1] ?? '') === null) return hop;
    }
    return unmapped(hops[0] ?? '');
  };
}

/** Returns a function that says whether an address belongs to a trusted proxy. */
export function proxyTest(trustedProxies: readonly string[]): (address: string) => boolean {
  const trusted = trustedProxies.flatMap((text) => parsePrefix(text) ?? []).map(unmapPrefix);
  return (text) => {
    const address = parseUnmapped(text);
    return address !== null && trusted.some((range) => rangeContains(range, address.family, address.value));
  };
}

const peerOf = (request: IncomingMessage): string => request.socket.remoteAddress ?? '';

/** Returns an IPv4 address that is spelled as IPv6 as plain IPv4. Text that is no address stays as it is. */
const unmapped = (address: string): string => canonicalUnmapped(address) ?? address;
