import type { IncomingMessage } from 'node:http';
import { canonicalUnmapped, parseAddress, parsePrefix, parseUnmapped, rangeContains, unmapPrefix } from '@sallyport/ip';

/**
 * Source address of a request: that of the connection, or, while that is a trusted proxy, the one that it reports. The
 * first address from the right that is no trusted proxy counts; what stands left of it anybody can have written.
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

/** Tells addresses of trusted proxies from others. */
export function proxyTest(trustedProxies: readonly string[]): (address: string) => boolean {
  const trusted = trustedProxies.flatMap((text) => parsePrefix(text) ?? []).map(unmapPrefix);
  return (text) => {
    const address = parseUnmapped(text);
    return address !== null && trusted.some((range) => rangeContains(range, address.family, address.value));
  };
}

const peerOf = (request: IncomingMessage): string => request.socket.remoteAddress ?? '';

/** IPv4 as such, also where a socket or a proxy spells it as IPv6; what is no address stays as it is. */
const unmapped = (address: string): string => canonicalUnmapped(address) ?? address;
