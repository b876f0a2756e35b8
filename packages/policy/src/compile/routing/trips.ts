import { type IpRange, rangeToPrefixes } from '@sallyport/contract';
import { mergeAdjacent } from '../../addresses.ts';
import { computed } from '../indexes/maps.ts';
import type { Claim } from './claims.ts';
import { type Carrier, carry, latest, type Routing, routingOf } from './routing.ts';
import type { Tenant } from './tenant.ts';

/** What is behind one or several gateways and goes out to what others carry. */
export interface Trip {
  readonly id: string;
  /** Sites need leave to go out, devices that come in are let on by what they are granted. */
  readonly kind: 'site' | 'entry';
  /** Its addresses. */
  readonly sources: readonly string[];
  /** Gateways that it may be behind, best first, whether they are in service or not. */
  readonly origins: readonly string[];
  /** By gateway that it is behind. */
  readonly legs: ReadonlyMap<string, readonly Claim[]>;
}

/** What a gateway sends out for all that is behind it. */
export interface Outward {
  readonly routing: Routing;
  readonly trips: ReadonlyMap<string, OutwardTrip>;
}

export interface OutwardTrip {
  readonly kind: Trip['kind'];
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  readonly carriers: ReadonlyMap<string, Carrier>;
  readonly expiresAt: number | null;
}

/** Trip of some members of an audience; `behind` says which gateways they are behind where a policy opens something. */
export function tripOf(
  tenant: Tenant,
  id: string,
  kind: Trip['kind'],
  sources: readonly string[],
  claims: readonly Claim[],
  behind: (policy: string) => readonly string[],
): Trip {
  const legs = new Map<string, Claim[]>();
  const origins = new Set<string>();
  for (const claim of claims)
    for (const gateway of new Set(claim.policies.flatMap(behind))) {
      origins.add(gateway);
      if (gateway !== claim.gateway && tenant.usable(gateway) !== null) computed(legs, gateway, () => []).push(claim);
    }
  return { id, kind, sources, origins: [...origins], legs };
}

/** Ways out of a gateway; what it carries itself needs none. */
export function outwardOf(tenant: Tenant, gateway: string, trips: Iterable<Trip>): Outward {
  // Who may reach the same has the same claims, so each trip gets copies of its own.
  const owners = new Map<Claim, Trip>();
  for (const trip of trips) for (const claim of trip.legs.get(gateway) ?? []) owners.set({ ...claim }, trip);
  const claims = [...owners.keys()];
  const routing = routingOf([...claims, ...ownClaims(tenant, gateway, claims)], tenant.policies, gateway);
  const parts = new Map<Trip, { ranges: Map<string, IpRange>; carriers: Map<string, Carrier> }>();
  for (const { range, claim } of routing.carried) {
    const trip = owners.get(claim);
    if (trip === undefined) continue;
    const { ranges, carriers } = computed(parts, trip, () => ({ ranges: new Map(), carriers: new Map() }));
    ranges.set(`${range.family} ${range.first}`, range);
    carry(carriers, claim);
  }
  const outward = new Map<string, OutwardTrip>();
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
  return { routing, trips: outward };
}

/** What a gateway carries itself of resources that have an address in some claims. */
function ownClaims({ resources }: Tenant, gateway: string, claims: readonly Claim[]): Claim[] {
  const own = new Set(
    claims
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
