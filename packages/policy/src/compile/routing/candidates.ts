import { endOf } from '@sallyport/contract/channel';
import type { IpRange } from '@sallyport/ip';
import { isWholeInternet, matchesResource } from '../../matching.ts';
import { type Grant, portsOverlap } from '../../ports.ts';
import type { PortRange, WorldResource } from '../../types.ts';
import type { Audience } from '../audience/audiences.ts';
import type { Cell } from '../gateway/cells.ts';
import { publicInternet } from '../gateway/destinations.ts';
import type { GatewayState, Reached } from '../gateway/gateway-state.ts';
import type { AddressClass } from '../indexes/classes.ts';
import type { Entry } from '../indexes/entries.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';
import type { ResourceIndex } from '../indexes/resource-index.ts';
import { intersection } from '../indexes/sweep.ts';

/** A gateway that admits some port of a range that a resource covers. */
export interface RouteCandidate {
  readonly gateway: string;
  readonly range: IpRange;
  readonly resource: WorldResource;
  /** Length of the prefix with which the resource covers it. */
  readonly length: number;
  /** Met policies that open the resource by name, in the order of evaluation. */
  readonly policies: readonly string[];
  /** Order of the first of these policies. */
  readonly rank: number;
  /** Gateways to choose from, best first: those of the resource, or for the internet those of the policy. */
  readonly order: readonly string[];
  readonly mode: 'MANUAL' | 'AUTOMATIC';
  readonly expiresAt: number | null;
  /** Lowest TCP port that the resource names as a single port and the gateway admits. */
  readonly port: number | null;
}

/** Returns the policies that are met and open a resource, for some audience. */
type Met = (resource: WorldResource) => readonly string[];

/**
 * Finds the route candidates of audiences. Addresses of a resource that no policy opens by name are no candidates, even
 * if another resource opens them. Neither is the public internet as a whole. Equal cells come from the same policies,
 * so the candidates of a cell are remembered for all who have it.
 */
export class RouteCandidates {
  readonly #resources: ResourceIndex;
  readonly #policies: PolicyIndex;
  readonly #known = new WeakMap<
    Cell,
    { readonly class: AddressClass; readonly candidates: readonly RouteCandidate[] }
  >();

  constructor(resources: ResourceIndex, policies: PolicyIndex) {
    this.#resources = resources;
    this.#policies = policies;
  }

  /** Returns the candidates of an audience at some gateways. */
  of(audience: Audience, gateways: readonly GatewayState[]): RouteCandidate[] {
    const met = this.#metBy(audience);
    const candidates: RouteCandidate[] = [];
    for (const state of gateways)
      for (const reached of state.reached(audience))
        for (const candidate of this.#at(state.id, reached, met)) candidates.push(candidate);
    return candidates;
  }

  #metBy({ kind, matches }: Audience): Met {
    const met = new Set(matches.filter((match) => match.met).map(({ policy }) => policy));
    if (kind === 'device') for (const policy of this.#policies.universal) met.add(policy);
    const names = (resource: WorldResource) =>
      [...this.#policies.of(resource)].filter((id) => met.has(id) && this.#policies.get(id)?.allow === true);
    return (resource) => names(resource).sort(this.#policies.compare);
  }

  #at(gateway: string, reached: Reached, met: Met): readonly RouteCandidate[] {
    const known = this.#known.get(reached.cell);
    if (known?.class === reached.class) return known.candidates;
    const internet = reached.class.entries.some(({ resource }) => resource.type === 'INTERNET');
    const candidates = [...(internet ? this.#internet(gateway, reached) : this.#attached(gateway, reached, met))];
    this.#known.set(reached.cell, { class: reached.class, candidates });
    return candidates;
  }

  *#attached(gateway: string, reached: Reached, met: Met): Generator<RouteCandidate> {
    for (const range of reached.class.ranges)
      for (const entry of this.#resources.overlapping(range)) {
        const { gateways: order, mode } = entry.resource;
        if (!order.includes(gateway) || !portsOverlap(entry.ports, reached.grants)) continue;
        const policies = met(entry.resource);
        if (policies.length > 0) yield { ...this.#candidate(gateway, range, entry, reached, policies), order, mode };
      }
  }

  *#internet(gateway: string, reached: Reached): Generator<RouteCandidate> {
    const { ranges, entries } = reached.class;
    for (const entry of entries) {
      if (entry.resource === publicInternet) continue;
      const open = new Map<string, readonly string[]>();
      for (const grant of reached.grants) {
        const policy = this.#policies.get(grant.policy);
        if (policy === undefined || isWholeInternet(policy) || !matchesResource(policy, entry.resource)) continue;
        if (portsOverlap(entry.ports, [grant])) open.set(policy.id, policy.gateways);
      }
      for (const [policy, order] of open)
        for (const range of ranges)
          for (const own of this.#resources.internetOverlapping(range))
            if (own.signature === entry.signature)
              yield { ...this.#candidate(gateway, range, own, reached, [policy]), order, mode: 'MANUAL' };
    }
  }

  #candidate(
    gateway: string,
    range: IpRange,
    { resource, range: prefix, ports }: Entry,
    { cell, grants }: Reached,
    policies: readonly string[],
  ) {
    const rank = this.#policies.get(policies[0] ?? '')?.order ?? 0;
    const { length } = prefix;
    const expiresAt = endOf(cell);
    const port = singlePort(ports, grants);
    return { gateway, range: intersection(range, prefix), resource, length, policies, rank, expiresAt, port };
  }
}

function singlePort(ports: readonly PortRange[], grants: readonly Grant[]): number | null {
  const admitted = ports
    .filter(({ protocol, from, to }) => protocol === 'tcp' && from === to && from > 0)
    .filter((port) => portsOverlap([port], grants));
  return admitted.length === 0 ? null : Math.min(...admitted.map(({ from }) => from));
}

/** Returns whether two lists of candidates lead to the same routing. */
export function sameCandidates(a: readonly RouteCandidate[], b: readonly RouteCandidate[]): boolean {
  return (
    a.length === b.length &&
    a.every((candidate, i) => candidate === b[i] || sameCandidate(candidate, b[i] as RouteCandidate))
  );
}

function sameCandidate(a: RouteCandidate, b: RouteCandidate): boolean {
  return (
    a.gateway === b.gateway &&
    a.range.family === b.range.family &&
    a.range.first === b.range.first &&
    a.range.last === b.range.last &&
    a.resource.id === b.resource.id &&
    a.length === b.length &&
    a.rank === b.rank &&
    a.mode === b.mode &&
    a.expiresAt === b.expiresAt &&
    a.port === b.port &&
    a.order.join() === b.order.join() &&
    a.policies.join() === b.policies.join()
  );
}
