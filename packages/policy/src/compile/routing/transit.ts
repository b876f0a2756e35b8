import { type IpRange, mergeAdjacent, rangeToPrefixes } from '@sallyport/ip';
import { computed } from '../indexes/maps.ts';
import type { RouteCandidate } from './candidates.ts';
import { type Carrier, carry, latest, type Routing, routingOf } from './routing.ts';
import type { Tenant } from './tenant.ts';

/** What is behind one or several gateways and goes out to what others carry. */
export interface Transit {
  readonly id: string;
  /** Sites need leave to go out, devices that come in are let on by what they are granted. */
  readonly kind: 'site' | 'entry';
  /** Its addresses. */
  readonly sources: readonly string[];
  /** Gateways that it may be behind, best first, whether they are in service or not. */
  readonly origins: readonly string[];
  /** By gateway that it is behind. */
  readonly byOrigin: ReadonlyMap<string, readonly RouteCandidate[]>;
}

/** Transits that were found again, by id; null: there is no such transit any more. */
export type FoundTransits = ReadonlyMap<string, Transit | null>;

/** What a gateway sends out for all that is behind it. */
export interface Outward {
  readonly routing: Routing;
  readonly transits: ReadonlyMap<string, OutwardTransit>;
}

export interface OutwardTransit {
  readonly kind: Transit['kind'];
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  readonly carriers: ReadonlyMap<string, Carrier>;
  readonly expiresAt: number | null;
}

/** Transit of some members of an audience; `behind` says which gateways they are behind where a policy opens something. */
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

/** Ways out of a gateway; what it carries itself needs none. */
export function outwardOf(tenant: Tenant, gateway: string, transits: Iterable<Transit>): Outward {
  // Who may reach the same has the same candidates, so each transit gets copies of its own.
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

/** What a gateway carries itself of resources that have an address in some candidates. */
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
