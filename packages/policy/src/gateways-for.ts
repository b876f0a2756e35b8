import { type IpRange, mergeAdjacent, rangesOverlap, rangeToPrefixes } from '@sallyport/ip';
import type { PolicyMatch } from './compile/audience/matches.ts';
import { entryOf } from './compile/indexes/facts.ts';
import { computed } from './compile/indexes/maps.ts';
import { intersection, sweep } from './compile/indexes/sweep.ts';
import { Reach } from './compile/reach.ts';
import { type FullTunnel, fullTunnel } from './compile/routing/full-tunnel.ts';
import { portsOverlap } from './ports.ts';
import type { World } from './world.ts';

/**
 * Returns the prefixes that a device may reach at least partly, by the gateway that carries them. A plain WireGuard
 * device uses them as allowed IPs. Gateways that are OFFLINE carry nothing.
 *
 * No address is in two lists. The narrowest address of a resource that covers it decides, then the order of the
 * resource's gateways. Gateways in MAINTENANCE come after all others. Where an internet policy closes the rest, or
 * sends it through a gateway, one gateway also has the default routes; the more specific prefixes of others take
 * precedence. A device with an entry gateway has everything there. Callers that ask for many devices of an unchanged
 * world pass one `reach` to all calls.
 */
export function gatewaysFor(
  world: World,
  deviceId: string,
  at: number,
  reach = new Reach(world, at),
): ReadonlyMap<string, readonly string[]> {
  const device = world.devices.get(deviceId);
  const matches = device === undefined ? null : reach.matches(device);
  if (device === undefined || matches === null) return new Map();
  const internet = fullTunnel(world, reach.policies, matches);
  const ranges = new Map<string, IpRange[]>();
  const candidates = candidatesOf(world, matches, reach, internet);
  for (const { range, covering } of sweep(candidates)) {
    const best = covering.toSorted(compareCandidates)[0] as RouteCandidate;
    if (best.length !== byDefault) computed(ranges, best.gateway, () => []).push(range);
  }
  const entry = entryOf(world, device);
  if (entry !== null) return atEntry(entry, [...ranges.values()].flat(), internet);
  const routes = new Map(ranges.entries().map(([id, own]) => [id, mergeAdjacent(own).flatMap(rangeToPrefixes)]));
  const carrier = internet === null ? undefined : firstUsable(world, internet.gateways ?? routes.keys());
  if (internet !== null && carrier !== undefined)
    routes.set(carrier, [...(routes.get(carrier) ?? []), ...internet.prefixes]);
  return routes;
}

/** Returns all prefixes at one gateway, which passes on what it does not carry itself. */
function atEntry(entry: string, ranges: readonly IpRange[], internet: FullTunnel | null): Map<string, string[]> {
  const prefixes = [...mergeAdjacent(ranges).flatMap(rangeToPrefixes), ...(internet?.prefixes ?? [])];
  return new Map(prefixes.length === 0 ? [] : [[entry, prefixes]]);
}

function firstUsable(world: World, ids: Iterable<string>): string | undefined {
  const usable = [...ids].filter((id) => (world.gateways.get(id)?.intent ?? 'OFFLINE') !== 'OFFLINE');
  return usable.find((id) => world.gateways.get(id)?.intent === 'ACTIVE') ?? usable[0];
}

interface RouteCandidate {
  readonly gateway: string;
  readonly range: IpRange;
  readonly drained: boolean;
  /** Length of the prefix with which the gateway carries the range, or `byDefault`. */
  readonly length: number;
  /** Place of the gateway among those of the resource, or for the internet those of the policy. */
  readonly place: number;
}

/** Length of what the default routes carry: any prefix is more specific. */
const byDefault = -1;

/**
 * Returns the route candidates of gateways. What the full tunnel's policy opens needs no route, but it goes before a
 * gateway that is being drained.
 */
function candidatesOf(
  world: World,
  matches: readonly PolicyMatch[],
  reach: Reach,
  internet: FullTunnel | null,
): RouteCandidate[] {
  const candidates: RouteCandidate[] = [];
  const tunnel = internet?.policy ?? null;
  const carrier = firstUsable(world, internet?.gateways ?? []);
  for (const gateway of reach.gatewaysOf(matches)) {
    const here = reach.gateway(gateway);
    const drained = world.gateways.get(gateway)?.intent === 'MAINTENANCE';
    for (const cell of here.cells(matches)) {
      const { ranges, entries } = here.destinations.classes.get(cell.class) ?? { ranges: [], entries: [] };
      const internet = entries.some(({ resource }) => resource.type === 'INTERNET');
      const all = here.grants(cell);
      const grants = all.filter(({ policy }) => policy !== tunnel);
      if (gateway === carrier && grants.length < all.length)
        for (const range of ranges) candidates.push({ gateway, range, drained, length: byDefault, place: 0 });
      const [first] = grants;
      if (first === undefined) continue;
      const order = internet ? (world.policies.get(first.policy)?.gateways ?? []) : null;
      for (const range of ranges)
        for (const entry of internet ? entries : reach.resources.overlapping(range)) {
          const place = (order ?? entry.resource.gateways).indexOf(gateway);
          if (place < 0 || !portsOverlap(entry.ports, grants)) continue;
          if (rangesOverlap(range, entry.range))
            candidates.push({
              gateway,
              range: intersection(range, entry.range),
              drained,
              length: entry.range.length,
              place,
            });
        }
    }
  }
  return candidates;
}

function compareCandidates(a: RouteCandidate, b: RouteCandidate): number {
  return (
    Number(a.drained) - Number(b.drained) ||
    b.length - a.length ||
    a.place - b.place ||
    (a.gateway < b.gateway ? -1 : a.gateway > b.gateway ? 1 : 0)
  );
}
