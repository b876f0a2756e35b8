import type { RouteItem } from '@sallyport/contract/channel';
import { type IpRange, mergeAdjacent, rangeToPrefixes } from '@sallyport/ip';
import { isAttachable } from '../../matching.ts';
import { computed } from '../indexes/maps.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';
import { sweep } from '../indexes/sweep.ts';
import type { RouteCandidate } from './candidates.ts';

/** What a gateway carries for a device or another gateway. */
export interface Carrier {
  /** Epoch milliseconds at which the last access through it ends; null: some access does not end. */
  expiresAt: number | null;
  readonly resources: Set<string>;
}

/** Which gateways may carry which addresses, for a device or a gateway with a tunnel to each of them. */
export interface Routing {
  readonly routes: readonly RouteItem[];
  /** The routes grouped by equal content, with the addresses of each group. */
  readonly groups: ReadonlyMap<string, RouteGroup>;
  readonly carriers: ReadonlyMap<string, Carrier>;
  /** Address ranges with the candidates that carry them. */
  readonly carried: readonly { readonly range: IpRange; readonly candidate: RouteCandidate }[];
  /** Resources with an address whose packets go to a gateway that admits them. */
  readonly steered: ReadonlySet<string>;
  /** Resources whose addresses all lead elsewhere, with the resource that takes precedence. */
  readonly shadowed: ReadonlyMap<string, string>;
}

interface RouteGroup {
  readonly ranges: IpRange[];
  readonly routes: readonly RouteItem[];
}

/**
 * Picks one set of gateways for each address: those of the narrowest prefix that covers it, then of the first policy.
 * For a gateway, `self`, its own candidates win among prefixes of one length and get no route: it reaches those
 * addresses itself. Routes that did not change since `before` are the same objects.
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

/** Adds a candidate to what its gateway carries. */
export function carry(carriers: Map<string, Carrier>, { gateway, resource, expiresAt }: RouteCandidate): void {
  const carrier = computed(carriers, gateway, () => ({ expiresAt, resources: new Set<string>() }));
  carrier.expiresAt = latest(carrier.expiresAt, expiresAt);
  carrier.resources.add(resource.id);
}

/** Returns the later of two moments; null means never. */
export function latest(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : Math.max(a, b);
}

/** Returns a route item with an id. */
export function routeItem(id: string, route: Omit<RouteItem, 'kind' | 'key' | 'id'>): RouteItem {
  return { kind: 'route', key: `route/${id}`, id, ...route };
}

/** Returns the target port of a single address. For a wider prefix it is unknown which address should answer. */
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
  // A target needs a separate route for each address. When there are many, they are merged and have no target.
  const apart = target !== undefined && ranges.length <= mostTargets;
  const prefixes = (apart ? ranges : mergeAdjacent(ranges)).flatMap(rangeToPrefixes);
  return { ranges, routes: prefixes.map((prefix) => routeItem(prefix, apart ? route : rest)) };
}

/** Most addresses with targets for one set of resources. */
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

/** Returns the gateways through which the best candidate's resource can be reached there, in the resource's order. */
function gatewaysOf(best: RouteCandidate, covering: readonly RouteCandidate[]): string[] {
  const alike = covering.filter(
    ({ resource, policies }) =>
      resource.id === best.resource.id && (isAttachable(resource.type) || policies[0] === best.policies[0]),
  );
  const ids = new Set(alike.map(({ gateway }) => gateway));
  return best.order.filter((id) => ids.delete(id));
}

/** Returns whether packets to a candidate's resource go to a gateway that admits them while all gateways work. */
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
