import { type Family, type IpRange, rangesOverlap, rangeToPrefixes } from '@sallyport/contract';
import { compareNumbers, makeRange, mergeAdjacent, prefixRange, withoutRanges } from './addresses.ts';
import { computed } from './compile/maps.ts';
import { Reach } from './compile/reach.ts';
import type { Term } from './compile/terms.ts';
import { isAccessPoint, isWholeInternet } from './matching.ts';
import { canonicalPorts, everyPort, portsOverlap, uncovered } from './ports.ts';
import type { WorldPolicy } from './types.ts';
import type { World } from './world.ts';

/**
 * Prefixes that a device may reach at least partly, by the gateway that carries them: what a plain WireGuard device has
 * as allowed IPs. Gateways that are OFFLINE carry nothing. No address is in two lists: the narrowest address of a
 * resource that covers it decides, by the order of the resource's gateways; gateways in MAINTENANCE come after all others.
 * Where an internet policy closes the rest or leads it through a gateway, one gateway also has the default routes: the
 * more specific prefixes of the others go before them. Who asks for many devices of a world that stands still gives one
 * `reach` of it to all calls.
 */
export function gatewaysFor(
  world: World,
  deviceId: string,
  at: number,
  reach = new Reach(world, at),
): ReadonlyMap<string, readonly string[]> {
  const device = world.devices.get(deviceId);
  const terms = device === undefined ? null : reach.terms(device);
  if (terms === null) return new Map();
  const internet = fullTunnel(world, terms, reach);
  const ranges = new Map<string, IpRange[]>();
  const claims = claimsOf(world, terms, reach, internet?.policy ?? null);
  for (const family of [4, 6] as const)
    for (const { range, claim } of partition(claims, family)) computed(ranges, claim.gateway, () => []).push(range);
  const routes = new Map(ranges.entries().map(([id, own]) => [id, mergeAdjacent(own).flatMap(rangeToPrefixes)]));
  const carrier = internet === null ? undefined : firstUsable(world, internet.gateways ?? routes.keys());
  if (internet !== null && carrier !== undefined)
    routes.set(carrier, [...(routes.get(carrier) ?? []), ...defaultRoutes(internet.local)]);
  return routes;
}

/** How a device reaches the public internet when not by its own connection. */
interface FullTunnel {
  readonly policy: string;
  /** In order; null: closed, so any that the device has. */
  readonly gateways: readonly string[] | null;
  /** Addresses that policies before it leave to the device's own connection, with every port: others stay inside. */
  readonly local: readonly IpRange[];
}

function fullTunnel(world: World, terms: readonly Term[], reach: Reach): FullTunnel | null {
  const met = new Set(terms.filter((term) => term.met).map(({ policy }) => policy)).union(reach.policies.universal);
  const local: IpRange[] = [];
  const kept: IpRange[] = [];
  for (const policy of world.policiesOf('INTERNET')) {
    if (!met.has(policy.id)) continue;
    const closes = policy.mode === 'RESTRICTED' || !policy.allow;
    if (isWholeInternet(policy)) {
      if (closes) return { policy: policy.id, gateways: null, local };
      return isAccessPoint(policy) ? { policy: policy.id, gateways: policy.gateways, local } : null;
    }
    const leaves = !closes && !isAccessPoint(policy);
    for (const { range, whole } of internetRanges(world, policy))
      if (!leaves) kept.push(range);
      else if (whole) local.push(...withoutRanges(range, kept));
  }
  return null;
}

/** Ranges of the resources that an internet policy names, and whether they have every port. */
function* internetRanges(world: World, policy: WorldPolicy): Generator<{ range: IpRange; whole: boolean }> {
  for (const id of policy.resources) {
    const resource = world.resources.get(id);
    if (resource?.type !== 'INTERNET') continue;
    for (const { prefix, ports } of resource.addresses)
      yield { range: prefixRange(prefix), whole: !uncovered(everyPort, canonicalPorts(ports)) };
  }
}

function firstUsable(world: World, ids: Iterable<string>): string | undefined {
  const usable = [...ids].filter((id) => (world.gateways.get(id)?.intent ?? 'OFFLINE') !== 'OFFLINE');
  return usable.find((id) => world.gateways.get(id)?.intent === 'ACTIVE') ?? usable[0];
}

function defaultRoutes(local: readonly IpRange[]): string[] {
  return ['0.0.0.0/0', '::/0'].flatMap((text) => withoutRanges(prefixRange(text), local)).flatMap(rangeToPrefixes);
}

interface Claim {
  readonly gateway: string;
  readonly range: IpRange;
  readonly drained: boolean;
  /** Length of the prefix by which the gateway carries the range. */
  readonly length: number;
  /** Place of the gateway among those of the resource, or of the policy for the internet. */
  readonly place: number;
}

/** Claims of gateways; what the policy of the full tunnel opens needs none. */
function claimsOf(world: World, terms: readonly Term[], reach: Reach, tunnel: string | null): Claim[] {
  const claims: Claim[] = [];
  for (const gateway of reach.gatewaysOf(terms)) {
    const here = reach.gateway(gateway);
    const drained = world.gateways.get(gateway)?.intent === 'MAINTENANCE';
    for (const cell of here.cells(terms)) {
      const { ranges, entries } = here.destinations.classes.get(cell.class) ?? { ranges: [], entries: [] };
      const internet = entries.some(({ resource }) => resource.type === 'INTERNET');
      const grants = here.grants(cell).filter(({ policy }) => policy !== tunnel);
      const [first] = grants;
      if (first === undefined) continue;
      const order = internet ? (world.policies.get(first.policy)?.gateways ?? []) : null;
      for (const range of ranges)
        for (const entry of internet ? entries : reach.resources.overlapping(range)) {
          const place = (order ?? entry.resource.gateways).indexOf(gateway);
          if (place < 0 || !portsOverlap(entry.ports, grants)) continue;
          if (rangesOverlap(range, entry.range))
            claims.push({
              gateway,
              range: intersection(range, entry.range),
              drained,
              length: entry.range.length,
              place,
            });
        }
    }
  }
  return claims;
}

/** Cuts overlapping claims so that each address has the best one, in address order. */
function partition(all: readonly Claim[], family: Family): { range: IpRange; claim: Claim }[] {
  const claims = all
    .filter(({ range }) => range.family === family)
    .sort((a, b) => compareNumbers(a.range.first, b.range.first));
  const cuts = [...new Set(claims.flatMap(({ range }) => [range.first, range.last + 1n]))].sort(compareNumbers);
  const parts: { range: IpRange; claim: Claim }[] = [];
  let active: Claim[] = [];
  let next = 0;
  for (const [i, first] of cuts.slice(0, -1).entries()) {
    const range = makeRange(family, first, (cuts[i + 1] as bigint) - 1n);
    active = active.filter((claim) => rangesOverlap(claim.range, range));
    for (let claim = claims[next]; claim?.range.first === first; claim = claims[++next]) active.push(claim);
    const best = active.toSorted(compareClaims)[0];
    if (best !== undefined) parts.push({ range, claim: best });
  }
  return parts;
}

function compareClaims(a: Claim, b: Claim): number {
  return (
    Number(a.drained) - Number(b.drained) ||
    b.length - a.length ||
    a.place - b.place ||
    (a.gateway < b.gateway ? -1 : a.gateway > b.gateway ? 1 : 0)
  );
}

function intersection(a: IpRange, b: IpRange): IpRange {
  const [, first = a.first] = [a.first, b.first].sort(compareNumbers);
  const [last = a.last] = [a.last, b.last].sort(compareNumbers);
  return makeRange(a.family, first, last);
}
