import * as ip from '@sallyport/ip';
import { HostNetError } from './errors.ts';

export { formatAddress, formatRange, withoutRanges } from '@sallyport/ip';

/** Parses one address. Throws `invalid-state` instead of returning null. */
export function parseAddress(text: string): ip.IpAddress {
  return ip.parseAddress(text) ?? fail('address', text);
}

/** Parses `first-last`. Both ends are inclusive and of one family. Throws `invalid-state`. */
export function parseRange(text: string): ip.IpRange {
  return ip.parseRange(text) ?? fail('address range', text);
}

/** Parses `address/length` and keeps the host bits. The length is required. Throws `invalid-state`. */
export function parsePrefix(text: string): ip.InterfaceAddress {
  return (text.includes('/') ? ip.parseInterfaceAddress(text) : null) ?? fail('prefix', text);
}

/** Returns the canonical text of an address's network, with the host bits cleared. */
export function formatNetwork(prefix: ip.InterfaceAddress): string {
  return ip.formatPrefix(ip.prefixOf(prefix));
}

/** Returns the addresses of an address's network. */
export function prefixRange(prefix: ip.InterfaceAddress): ip.IpRange {
  return ip.prefixOf(prefix);
}

/** Returns the smallest network with all these addresses of one family, or null without any. */
export function coveringPrefix(addresses: Iterable<string>): string | null {
  let [family, first, last]: [ip.Family, bigint, bigint] = [4, -1n, -1n];
  for (const address of addresses) {
    const parsed = parseAddress(address);
    family = parsed.family;
    if (first < 0n || parsed.value < first) first = parsed.value;
    if (parsed.value > last) last = parsed.value;
  }
  if (first < 0n) return null;
  const differing = first === last ? 0 : (first ^ last).toString(2).length;
  return formatNetwork({ family, value: first, length: ip.addressBits(family) - differing });
}

function fail(what: string, text: string): never {
  throw new HostNetError('invalid-state', `not a valid ${what}: ${JSON.stringify(text.slice(0, 100))}`);
}
