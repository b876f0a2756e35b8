import type { RouteItem } from '@sallyport/contract/channel';
import { type IpRange, mergeAdjacent, rangeToPrefixes } from '@sallyport/ip';
import { isAttachable } from '../../matching.ts';
import { computed } from '../indexes/maps.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';
import { sweep } from '../indexes/sweep.ts';
import type { RouteCandidate } from './candidates.ts';

/** What a gateway carries for somebody. */
export interface Carrier {
  /** When the last of it ends; null: some of it does not end. */
  expiresAt: number | null;
  readonly resources: Set<string>;
}

/** Which gateways may carry which addresses, for a device or a gateway that has a tunnel to each of them. */
export interface Routing {
  readonly routes: readonly RouteItem[];
  /** The same by what they say, with the addresses that they are about. */
  readonly groups: ReadonlyMap<string, RouteGroup>;
  readonly carriers: ReadonlyMap<string, Carrier>;
  /** Candidates by which a part is carried, with that part. */
  readonly carried: readonly { readonly range: IpRange; readonly candidate: RouteCandidate }[];
  /** Resources of which some address goes where it is carried. */
  readonly steered: ReadonlySet<string>;
  /** Resources whose addresses go elsewhere, with the resource that is in the way. */
  readonly shadowed: ReadonlyMap<string, string>;
}

interface RouteGroup {
  readonly ranges: IpRange[];
  readonly routes: readonly RouteItem[];
}

/**
 * One set of gateways for each address: those of the narrowest prefix that covers it, then of the first policy. A candidate of
 * the gateway `self` needs no route and is the strongest of its length: what it carries itself it reaches by itself. Routes that are as they were `before` are the same
 * objects.
 */
export function routingOf(
  candidates: readonly RouteCandidate[],
  policies: PolicyIndex,
  self: string | null = null,
  before: Routing | null = null,
): Routing {
  const routes = new Map<string, { route: Omit<RouteItem, 'kind' | 'key' | 'id'>; ranges: IpRange[] }>();
  const carriers = new Map<string, Carrier>();
  const carried: { range: IpRange; candidate: RouteCandidate }[] = [];
  const steered = new Set<string>();
  const shadowed = new Map<string, string>();
  const compare = (a: RouteCandidate, b: RouteCandidate) => compareCandidates(a, b, policies, self);
  for (const { range, covering } of sweep(candidates)) {
    const best = covering.toSorted(compare)[0] as RouteCandidate;
    if (best.gateway === self) continue;
    const gateways = gatewaysOf(best, covering);
    const used = covering.filter(({ gateway }) => gateways.includes(gateway));
    for (const candidate of used) {
      carried.push({ range, candidate });
      carry(carriers, candidate);
    }
    for (const candidate of covering) {
      if (isSteered(candidate, best.mode, gateways, used)) steered.add(candidate.resource.id);
      else if (!shadowed.has(candidate.resource.id)) shadowed.set(candidate.resource.id, best.resource.id);
    }
    const resources = [...new Set(used.map(({ resource }) => resource.id))].sort();
    const target = self === null ? targetOf(range, used, best) : undefined;
    const route = { mode: best.mode, gateways, resources, ...(target !== undefined && { target }) };
    computed(routes, JSON.stringify(route), () => ({ route, ranges: [] })).ranges.push(range);
  }
  for (const id of steered) shadowed.delete(id);
  const groups = new Map(
    routes.entries().map(([key, { route, ranges }]) => [key, groupOf(route, ranges, before?.groups.get(key))]),
  );
  return {
    routes: [...groups.values()].flatMap((group) => group.routes),
    groups,
    carriers,
    carried,
    steered,
    shadowed,
  };
}

/** Adds what a candidate needs of its gateway. */
export function carry(carriers: Map<string, Carrier>, { gateway, resource, expiresAt }: RouteCandidate): void {
  const carrier = computed(carriers, gateway, () => ({ expiresAt, resources: new Set<string>() }));
  carrier.expiresAt = latest(carrier.expiresAt, expiresAt);
  carrier.resources.add(resource.id);
}

/** The later of two moments; null is never. */
export function latest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b);
}

export function routeItem(id: string, route: Omit<RouteItem, 'kind' | 'key' | 'id'>): RouteItem {
  return { kind: 'route', key: `route/${id}`, id, ...route };
}

/** Only for an address that the resource names: of a wider prefix, it is not known which address should answer. */
function targetOf({ family }: IpRange, used: readonly RouteCandidate[], best: RouteCandidate): number | undefined {
  if (best.length !== (family === 4 ? 32 : 128)) return undefined;
  const ports = used.flatMap(({ resource, port }) => (resource.id === best.resource.id ? (port ?? []) : []));
  return ports.length === 0 ? undefined : Math.min(...ports);
}

function groupOf(
  route: Omit<RouteItem, 'kind' | 'key' | 'id'>,
  ranges: IpRange[],
  before: RouteGroup | undefined,
): RouteGroup {
  if (before !== undefined && sameRanges(before.ranges, ranges)) return before;
  const { target, ...rest } = route;
  // A target needs a route of its own for each address. Many addresses are merged, and have none.
  const apart = target !== undefined && ranges.length <= mostTargets;
  const prefixes = (apart ? ranges : mergeAdjacent(ranges)).flatMap(rangeToPrefixes);
  return { ranges, routes: prefixes.map((prefix) => routeItem(prefix, apart ? route : rest)) };
}

/** Addresses with targets of one set of resources. */
const mostTargets = 32;

function sameRanges(a: readonly IpRange[], b: readonly IpRange[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ family, first, last }, i) => family === b[i]?.family && first === b[i]?.first && last === b[i]?.last)
  );
}

function compareCandidates(a: RouteCandidate, b: RouteCandidate, policies: PolicyIndex, self: string | null): number {
  return (
    b.length - a.length ||
    Number(b.gateway === self) - Number(a.gateway === self) ||
    policies.compare(a.policies[0] ?? '', b.policies[0] ?? '') ||
    compareText(a.resource.id, b.resource.id) ||
    compareText(a.gateway, b.gateway)
  );
}

/** Gateways by which the resource of the best candidate can be reached there, in its order. */
function gatewaysOf(best: RouteCandidate, covering: readonly RouteCandidate[]): string[] {
  const alike = covering.filter(
    ({ resource, policies }) =>
      resource.id === best.resource.id && (isAttachable(resource.type) || policies[0] === best.policies[0]),
  );
  const ids = new Set(alike.map(({ gateway }) => gateway));
  return best.order.filter((id) => ids.delete(id));
}

/** Whether packets to the resource of a candidate go to a gateway that admits them, as long as nothing fails. */
function isSteered(
  { resource }: RouteCandidate,
  mode: RouteItem['mode'],
  gateways: readonly string[],
  used: readonly RouteCandidate[],
): boolean {
  const carries = (id: string) =>
    used.some((candidate) => candidate.resource.id === resource.id && candidate.gateway === id);
  return mode === 'MANUAL' ? carries(gateways[0] as string) : gateways.every(carries);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
