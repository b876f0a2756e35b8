import { type IpRange, mergeAdjacent, rangeToPrefixes } from '@sallyport/ip';
import { computed } from '../indexes/maps.ts';
import type { RouteCandidate } from './candidates.ts';
import { type Carrier, carry, latest, type Routing, routingOf } from './routing.ts';
import type { Tenant } from './tenant.ts';

/** Traffic that comes in at one or several gateways and goes on to resources that others carry. */
export interface Transit {
  readonly id: string;
  /** Traffic of a site needs an egress item to leave. Traffic of entering devices is admitted by their grants. */
  readonly kind: 'site' | 'entry';
  /** Source addresses. */
  readonly sources: readonly string[];
  /** Gateways at which it may come in, best first, whether they are in service or not. */
  readonly origins: readonly string[];
  /** Route candidates by the gateway at which it comes in. */
  readonly byOrigin: ReadonlyMap<string, readonly RouteCandidate[]>;
}

/** Transits that were found again, by id; null: the transit no longer exists. */
export type FoundTransits = ReadonlyMap<string, Transit | null>;

/** What a gateway sends on for all transits that come in at it. */
export interface Outward {
  readonly routing: Routing;
  readonly transits: ReadonlyMap<string, OutwardTransit>;
}

/** What a gateway sends on for one transit. */
export interface OutwardTransit {
  readonly kind: Transit['kind'];
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  readonly carriers: ReadonlyMap<string, Carrier>;
  readonly expiresAt: number | null;
}

/**
 * Makes the transit of some members of an audience. `behind` returns the gateways at which a policy lets them come in.
 */
export function transitOf(
  tenant: Tenant,
  id: string,
  kind: Transit['kind'],
  sources: readonly string[],
  candidates: readonly RouteCandidate[],
  behind: (policy: string) => readonly string[],
): Transit {
  const byOrigin = new Map<string, RouteCandidate[]>();
  const origins = new Set<string>();
  for (const candidate of candidates)
    for (const gateway of new Set(candidate.policies.flatMap(behind))) {
      origins.add(gateway);
      if (gateway !== candidate.gateway && tenant.usable(gateway) !== null)
        computed(byOrigin, gateway, () => []).push(candidate);
    }
  return { id, kind, sources, origins: [...origins], byOrigin };
}

/** Returns the routes out of a gateway. What it carries itself needs none. */
export function outwardOf(tenant: Tenant, gateway: string, transits: Iterable<Transit>): Outward {
  // Members with equal access share candidate objects, so each transit gets its own copies.
  const owners = new Map<RouteCandidate, Transit>();
  for (const transit of transits)
    for (const candidate of transit.byOrigin.get(gateway) ?? []) owners.set({ ...candidate }, transit);
  const candidates = [...owners.keys()];
  const routing = routingOf([...candidates, ...ownCandidates(tenant, gateway, candidates)], tenant.policies, gateway);
  const parts = new Map<Transit, { ranges: Map<string, IpRange>; carriers: Map<string, Carrier> }>();
  for (const { range, candidate } of routing.carried) {
    const transit = owners.get(candidate);
    if (transit === undefined) continue;
    const { ranges, carriers } = computed(parts, transit, () => ({ ranges: new Map(), carriers: new Map() }));
    ranges.set(`${range.family} ${range.first}`, range);
    carry(carriers, candidate);
  }
  const outward = new Map<string, OutwardTransit>();
  for (const [{ id, kind, sources }, { ranges, carriers }] of parts) {
    const destinations = mergeAdjacent([...ranges.values()]).flatMap(rangeToPrefixes);
    const [first, ...rest] = [...carriers.values()].map(({ expiresAt }) => expiresAt);
    outward.set(id, {
      kind,
      sources,
      destinations,
      carriers,
      expiresAt: rest.reduce<number | null>(latest, first ?? null),
    });
  }
  return { routing, transits: outward };
}

/** Returns candidates for what a gateway carries itself at the addresses of other candidates. */
function ownCandidates(
  { resources }: Tenant,
  gateway: string,
  candidates: readonly RouteCandidate[],
): RouteCandidate[] {
  const own = new Set(
    candidates
      .flatMap(({ range }) => resources.overlapping(range))
      .filter(({ resource }) => resource.gateways.includes(gateway)),
  );
  return [...own].map(({ resource, range }) => ({
    gateway,
    range,
    resource,
    length: range.length,
    policies: [],
    rank: 0,
    port: null,
    order: resource.gateways,
    mode: resource.mode,
    expiresAt: null,
  }));
}
