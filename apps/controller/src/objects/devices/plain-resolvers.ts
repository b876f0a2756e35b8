import { type IpRange, parsePrefix, rangeOfNames4, rangeOfNames6 } from '@sallyport/ip';
import type { gatewaysFor, World } from '@sallyport/policy';

/** The resolvers of a plain device, and the names that they cannot answer. */
export interface PlainResolvers {
  /** Overlay addresses of gateways. */
  readonly addresses: readonly string[];
  /** Names that the device reaches, and that none of these gateways carries. */
  readonly missing: readonly string[];
}

/** Most resolvers that the resolver library of a system asks. */
const mostResolvers = 3;

/**
 * Returns the resolvers of a plain device. An app asks any of them for any name, so each must know all names: gateways
 * that carry all names that the device reaches, else the one that carries most of them. Null: it reaches no name.
 * `peers`: ids of the gateways in the configuration, in order.
 */
export function plainResolvers(
  world: World,
  reach: ReturnType<typeof gatewaysFor>,
  peers: readonly string[],
): PlainResolvers | null {
  const names = namesReached(world, [...reach.values()].flat());
  if (names.size === 0) return null;
  const known = peers.map((id) => ({ id, names: [...names].filter(([, gateways]) => gateways.has(id)).length }));
  const most = Math.max(...known.map((peer) => peer.names), 0);
  const [first] = known.filter((peer) => peer.names === most);
  if (first === undefined || most === 0) return { addresses: [], missing: [...names.keys()].sort() };
  const chosen = most < names.size ? [first] : known.filter((peer) => peer.names === most).slice(0, mostResolvers);
  const addresses = chosen.flatMap(({ id }) => world.gateways.get(id)?.addresses.slice(0, 1) ?? []);
  const missing = [...names].filter(([, gateways]) => !gateways.has(first.id)).map(([name]) => name);
  return { addresses: addresses.map((address) => address.replace(/\/\d+$/, '')), missing: missing.sort() };
}

/** Returns the names of which a virtual address is in one of the prefixes, with the gateways that carry them. */
function namesReached(world: World, prefixes: readonly string[]): ReadonlyMap<string, ReadonlySet<string>> {
  const ranges = virtualRanges(world, prefixes);
  const found = new Map<string, Set<string>>();
  if (ranges.length === 0) return found;
  for (const { addresses, gateways } of world.resources.values())
    for (const { name, prefix, gateways: own = gateways } of addresses) {
      if (name === undefined || !covered(ranges, prefix)) continue;
      const known = found.get(name) ?? new Set();
      for (const id of own) known.add(id);
      found.set(name, known);
    }
  return found;
}

/** Returns the prefixes of virtual addresses, in ascending order. They never overlap. Default routes are none. */
function virtualRanges({ settings }: World, prefixes: readonly string[]): IpRange[] {
  const virtual = [rangeOfNames4(settings.overlay), rangeOfNames6(settings.overlay.v6)].flatMap(
    (text) => parsePrefix(text) ?? [],
  );
  const ranges = prefixes.flatMap((text) => parsePrefix(text) ?? []);
  const own = ranges.filter((range) =>
    virtual.some(({ family, first, last }) => family === range.family && first <= range.first && range.last <= last),
  );
  return own.sort((a, b) => a.family - b.family || (a.first < b.first ? -1 : 1));
}

function covered(ranges: readonly IpRange[], text: string): boolean {
  const prefix = parsePrefix(text);
  if (prefix === null) return false;
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle] as IpRange;
    if (range.family < prefix.family || (range.family === prefix.family && range.last < prefix.first)) low = middle + 1;
    else high = middle;
  }
  const found = ranges[low];
  return found !== undefined && found.family === prefix.family && found.first <= prefix.first;
}
