import { type Family, type IpRange, rangesOverlap, rangeToPrefixes } from '@sallyport/contract';
import { compareNumbers, makeRange, mergeAdjacent } from './addresses.ts';
import { computed } from './compile/maps.ts';
import { Reach } from './compile/reach.ts';
import { portsOverlap } from './ports.ts';
import type { World } from './world.ts';

/**
 * Prefixes that a device may reach at least partly, by the gateway that carries them: what a plain WireGuard device has
 * as allowed IPs. Gateways that are OFFLINE carry nothing. No address is in two lists: the narrowest address of a
 * resource that covers it decides, by the order of the resource's gateways; gateways in MAINTENANCE come after all others.
 * Who asks for many devices of a world that stands still gives one `reach` of it to all calls.
 */
export function gatewaysFor(
  world: World,
  deviceId: string,
  reach = new Reach(world),
): ReadonlyMap<string, readonly string[]> {
  const ranges = new Map<string, IpRange[]>();
  const claims = claimsOf(world, deviceId, reach);
  for (const family of [4, 6] as const)
    for (const { range, claim } of partition(claims, family)) computed(ranges, claim.gateway, () => []).push(range);
  return new Map(ranges.entries().map(([id, own]) => [id, mergeAdjacent(own).flatMap(rangeToPrefixes)]));
}

interface Claim {
  readonly gateway: string;
  readonly range: IpRange;
  readonly drained: boolean;
  /** Length of the prefix by which the gateway carries the range. */
  readonly length: number;
  /** Place of the gateway among those of the resource. */
  readonly place: number;
}

function claimsOf(world: World, deviceId: string, reach: Reach): Claim[] {
  const device = world.devices.get(deviceId);
  if (device === undefined || !device.active) return [];
  const policies = reach.policies.matched(device);
  const claims: Claim[] = [];
  for (const gateway of reach.gatewaysOf(policies)) {
    const here = reach.gateway(gateway);
    const drained = world.gateways.get(gateway)?.intent === 'MAINTENANCE';
    for (const cell of here.cells(policies))
      for (const range of here.destinations.classes.get(cell.class)?.ranges ?? [])
        for (const entry of reach.resources.overlapping(range)) {
          const place = entry.resource.gateways.indexOf(gateway);
          if (place < 0 || !portsOverlap(entry.ports, here.grants(cell))) continue;
          claims.push({ gateway, range: intersection(range, entry.range), drained, length: entry.range.length, place });
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
