import type { IpRange } from '@sallyport/contract';
import { type Grant, portsOverlap } from '../ports.ts';
import type { WorldResource } from '../types.ts';
import type { Audience } from './audiences.ts';
import type { AddressClass } from './classes.ts';
import { publicInternet } from './destinations.ts';
import type { GatewayState } from './gateway-state.ts';
import { computed } from './maps.ts';
import type { PolicyIndex } from './policy-index.ts';
import type { ResourceIndex } from './resource-index.ts';
import { intersection } from './sweep.ts';

/** What an audience may reach in one class through a gateway. */
export interface Reached {
  readonly class: AddressClass;
  readonly grants: readonly Grant[];
  readonly expiresAt: number | null;
}

/** A gateway that admits some port of a range that a resource covers. */
export interface Claim {
  readonly gateway: string;
  readonly range: IpRange;
  readonly resource: WorldResource;
  /** Length of the prefix by which the resource covers it. */
  readonly length: number;
  /** Policies that are met and name the resource to open it, in the order of the walk. */
  readonly policies: readonly string[];
  /** Gateways among which there is a choice, best first: of the resource, or of the policy for the internet. */
  readonly order: readonly string[];
  readonly mode: 'MANUAL' | 'AUTOMATIC';
  readonly expiresAt: number | null;
}

/** Policies that are met and allow, for some audience. */
type Met = (resource: WorldResource) => readonly string[];

/**
 * Finds claims. Addresses of a resource that no policy names for somebody are no claim, also when another resource opens
 * them. Who reaches the public internet at large by some policy, a full tunnel, has no claims from that one.
 */
export class Claims {
  readonly #resources: ResourceIndex;
  readonly #policies: PolicyIndex;

  constructor(resources: ResourceIndex, policies: PolicyIndex) {
    this.#resources = resources;
    this.#policies = policies;
  }

  of(audience: Audience, gateways: readonly GatewayState[], tunnel: string | null): Claim[] {
    const met = this.#metBy(audience);
    return gateways.flatMap((state) => [...this.#at(state.id, state.reached(audience), met, tunnel)]);
  }

  #metBy({ kind, terms }: Audience): Met {
    const met = new Set(terms.filter((term) => term.met).map(({ policy }) => policy));
    if (kind === 'device') for (const policy of this.#policies.universal) met.add(policy);
    const known = new Map<string, readonly string[]>();
    const names = (resource: WorldResource) =>
      [...this.#policies.of(resource)].filter((id) => met.has(id) && this.#policies.get(id)?.allow === true);
    return (resource) => computed(known, resource.id, () => names(resource).sort(this.#policies.compare));
  }

  *#at(gateway: string, all: Iterable<Reached>, met: Met, tunnel: string | null): Generator<Claim> {
    for (const reached of all) {
      const grants = reached.grants.filter(({ policy }) => policy !== tunnel);
      if (grants.length === 0) continue;
      if (reached.class.entries.some(({ resource }) => resource.type === 'INTERNET'))
        yield* this.#internet(gateway, reached, grants);
      else yield* this.#attached(gateway, reached, grants, met);
    }
  }

  *#attached(gateway: string, reached: Reached, grants: readonly Grant[], met: Met): Generator<Claim> {
    for (const range of reached.class.ranges)
      for (const entry of this.#resources.overlapping(range)) {
        const { gateways: order, mode } = entry.resource;
        if (!order.includes(gateway) || !portsOverlap(entry.ports, grants)) continue;
        const policies = met(entry.resource);
        if (policies.length > 0) yield { ...this.#claim(gateway, range, entry, reached), policies, order, mode };
      }
  }

  *#internet(gateway: string, reached: Reached, grants: readonly Grant[]): Generator<Claim> {
    const { ranges, entries } = reached.class;
    for (const entry of entries) {
      if (entry.resource === publicInternet) continue;
      const open = new Map<string, readonly string[]>();
      for (const grant of grants)
        if (portsOverlap(entry.ports, [grant]) && this.#policies.of(entry.resource).has(grant.policy))
          computed(open, grant.policy, () => this.#policies.get(grant.policy)?.gateways ?? []);
      for (const [policy, order] of open)
        for (const range of ranges)
          for (const own of this.#resources.internetOverlapping(range))
            if (own.signature === entry.signature)
              yield { ...this.#claim(gateway, range, own, reached), policies: [policy], order, mode: 'MANUAL' };
    }
  }

  #claim(gateway: string, range: IpRange, entry: AddressClass['entries'][number], { expiresAt }: Reached) {
    const { resource } = entry;
    return { gateway, range: intersection(range, entry.range), resource, length: entry.range.length, expiresAt };
  }
}
