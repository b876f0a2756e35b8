import {
  compareRanges,
  type IpPrefix,
  type IpRange,
  parsePrefix,
  rangeOfNames4,
  unmapPrefix,
  withoutRanges,
} from '@sallyport/ip';
import type { WorldSettings } from './types.ts';

/** Parses a prefix of the world. Throws RangeError: ignoring a malformed prefix could ignore a deny. */
export function prefixRange(text: string): IpPrefix {
  const range = parsePrefix(text);
  if (range === null) throw new RangeError(`not an IP address or prefix: ${text}`);
  return range;
}

/**
 * Parses a source prefix of a policy between sites. Packets have IPv4 sources, so IPv4-mapped prefixes mean IPv4: a
 * rule that denies `::ffff:10.0.0.0/104` denies 10.0.0.0/8. Throws RangeError.
 */
export function sourceRange(text: string): IpPrefix {
  return unmapPrefix(prefixRange(text));
}

/** A range that no resource ever matches. */
export interface ReservedRange extends IpRange {
  /** What these addresses are for, for people. */
  readonly name: string;
}

/** Returns the ranges that no resource ever matches, sorted. They may overlap each other. */
export function reservedRanges(settings: WorldSettings): readonly ReservedRange[] {
  const overlay = [settings.overlay.v4, settings.overlay.v6].map((prefix) => named(prefix, 'the overlay'));
  const names = named(rangeOfNames4(settings.overlay), 'addresses kept for names');
  return [...overlay, names, ...special.map(([prefix, name]) => named(prefix, name))].sort(compareRanges);
}

/** Returns the public unicast addresses, ascending. Internet policies are about these, without what resources cover. */
export function publicRanges(settings: WorldSettings): readonly IpRange[] {
  const holes = [...reservedRanges(settings), ...notPublic.map(prefixRange)];
  return ['0.0.0.0/0', '2000::/3'].flatMap((prefix) => withoutRanges(prefixRange(prefix), holes));
}

/** The address space of a tenant: which addresses are reserved and which are public. */
export interface AddressSpace {
  readonly reserved: readonly ReservedRange[];
  readonly public: readonly IpRange[];
}

/** Returns the address space under some settings. It is computed once for each settings object. */
export function addressSpaceOf(settings: WorldSettings): AddressSpace {
  const known = addressSpaces.get(settings);
  if (known !== undefined) return known;
  const made = { reserved: reservedRanges(settings), public: publicRanges(settings) };
  addressSpaces.set(settings, made);
  return made;
}

const addressSpaces = new WeakMap<WorldSettings, AddressSpace>();

/** Reserved by the IANA special-purpose address registries (RFC 6890, RFC 4291). */
const special: readonly (readonly [string, string])[] = [
  ['0.0.0.0/8', 'this network'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local addresses'],
  ['224.0.0.0/4', 'multicast'],
  ['255.255.255.255', 'broadcast'],
  ['::', 'the unspecified address'],
  ['::1', 'loopback'],
  // IPv4-mapped addresses (RFC 4291, 2.5.5.2) would be a second spelling of every address above.
  ['::ffff:0:0/96', 'IPv4-mapped addresses'],
  ['fe80::/10', 'link-local addresses'],
  ['ff00::/8', 'multicast'],
];

/**
 * Addresses that the public internet does not route (IANA special-purpose registries, RFC 1918, RFC 6598). IPv6
 * prefixes that embed IPv4 addresses are among them.
 */
const notPublic: readonly string[] = [
  ...['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24'],
  ...['192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '240.0.0.0/4'],
  ...['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
];

function named(prefix: string, name: string): ReservedRange {
  const { family, first, last } = prefixRange(prefix);
  return { family, first, last, name };
}
