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

function fail(what: string, text: string): never {
  throw new HostNetError('invalid-state', `not a valid ${what}: ${JSON.stringify(text.slice(0, 100))}`);
}
