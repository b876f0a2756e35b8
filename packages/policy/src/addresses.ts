import { type Family, type IpRange, parsePrefix, rangesOverlap } from '@sallyport/contract';
import type { WorldSettings } from './types.ts';

/** A prefix as a range with its length; host bits are ignored. */
export type PrefixRange = IpRange & { readonly length: number };

/** Parses a prefix of the world. Throws RangeError: an address that silently matched nothing could be one of a deny. */
export function prefixRange(text: string): PrefixRange {
  const range = parsePrefix(text);
  if (range === null) throw new RangeError(`not an IP address or prefix: ${text}`);
  return range;
}

export interface ReservedRange extends IpRange {
  /** Whose addresses these are, for people. */
  readonly name: string;
}

/** Ranges that no resource ever matches, sorted; they may overlap each other. */
export function reservedRanges(settings: WorldSettings): readonly ReservedRange[] {
  const overlay = [settings.overlay.v4, settings.overlay.v6].map((prefix) => named(prefix, 'the overlay'));
  return [...overlay, ...special.map(([prefix, name]) => named(prefix, name))].sort(compareRanges);
}

/** Public unicast addresses, ascending: what internet policies are about, but for what resources cover. */
export function publicRanges(settings: WorldSettings): readonly IpRange[] {
  const holes = [...reservedRanges(settings), ...notPublic.map(prefixRange)];
  return ['0.0.0.0/0', '2000::/3'].flatMap((prefix) => withoutRanges(prefixRange(prefix), holes));
}

/** Kinds of addresses under some settings. */
export interface AddressSpace {
  readonly reserved: readonly ReservedRange[];
  readonly public: readonly IpRange[];
}

export function addressSpaceOf(settings: WorldSettings): AddressSpace {
  return { reserved: reservedRanges(settings), public: publicRanges(settings) };
}

/** Ascending by family, first and last address. */
export function compareRanges(a: IpRange, b: IpRange): number {
  return a.family - b.family || compareNumbers(a.first, b.first) || compareNumbers(a.last, b.last);
}

export function compareNumbers(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What is left of a range without some holes, ascending. */
export function withoutRanges(range: IpRange, holes: readonly IpRange[]): IpRange[] {
  const left: IpRange[] = [];
  let at = range.first;
  for (const hole of holes.filter((h) => rangesOverlap(h, range)).sort(compareRanges)) {
    if (hole.first > at) left.push(makeRange(range.family, at, hole.first - 1n));
    if (hole.last >= at) at = hole.last + 1n;
  }
  if (at <= range.last) left.push(makeRange(range.family, at, range.last));
  return left;
}

/** The same addresses as few ranges, ascending. The ranges given must not overlap. */
export function mergeAdjacent(ranges: readonly IpRange[]): IpRange[] {
  const merged: IpRange[] = [];
  for (const range of [...ranges].sort(compareRanges)) {
    const last = merged.at(-1);
    if (last !== undefined && last.family === range.family && last.last + 1n === range.first)
      merged[merged.length - 1] = makeRange(range.family, last.first, range.last);
    else merged.push(range);
  }
  return merged;
}

export function makeRange(family: Family, first: bigint, last: bigint): IpRange {
  return { family, first, last };
}

/** IANA special-purpose address registries, RFC 6890 and RFC 4291; and what names will get. */
const special: readonly (readonly [string, string])[] = [
  ['0.0.0.0/8', 'this network'],
  ['100.96.0.0/11', 'addresses kept for names'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local addresses'],
  ['224.0.0.0/4', 'multicast'],
  ['255.255.255.255', 'broadcast'],
  ['::', 'the unspecified address'],
  ['::1', 'loopback'],
  // IPv4 in IPv6 clothes (RFC 4291, 2.5.5.2): otherwise a second spelling of every address above.
  ['::ffff:0:0/96', 'IPv4-mapped addresses'],
  ['fe80::/10', 'link-local addresses'],
  ['ff00::/8', 'multicast'],
];

/**
 * Addresses that are not reached over the public internet (IANA special-purpose registries, RFC 1918, RFC 6598). IPv6
 * prefixes in which IPv4 addresses hide are among them.
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
