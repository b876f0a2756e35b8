import { type AddressSpace, addressSpaceOf } from '../../addresses.ts';
import type { WorldGateway } from '../../types.ts';
import type { World } from '../../world.ts';
import type { Audience } from '../audience/audiences.ts';
import type { GatewayState } from '../gateway/gateway-state.ts';
import { isUsable } from '../indexes/facts.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';
import type { ResourceIndex } from '../indexes/resource-index.ts';
import { type RouteCandidate, RouteCandidates } from './candidates.ts';

/** What the compiler knows about its tenant, for the parts that route through gateways. */
export class Tenant {
  readonly world: World;
  readonly policies: PolicyIndex;
  readonly resources: ResourceIndex;
  readonly states: ReadonlyMap<string, GatewayState>;
  readonly #candidates: RouteCandidates;

  constructor(
    world: World,
    policies: PolicyIndex,
    resources: ResourceIndex,
    states: ReadonlyMap<string, GatewayState>,
  ) {
    this.world = world;
    this.policies = policies;
    this.resources = resources;
    this.states = states;
    this.#candidates = new RouteCandidates(resources, policies);
  }

  /** The address space under the present settings. */
  get addressSpace(): AddressSpace {
    return addressSpaceOf(this.world.settings);
  }

  /** Returns a gateway if others can have a tunnel to it, or else null. */
  usable(id: string): (WorldGateway & { readonly publicKey: string }) | null {
    const gateway = this.world.gateways.get(id);
    return isUsable(gateway) ? gateway : null;
  }

  /** Returns the route candidates of usable gateways for an audience. */
  candidates(audience: Audience): RouteCandidate[] {
    const usable = [...audience.gateways].sort().filter((id) => this.usable(id) !== null);
    const states = usable.flatMap((id) => this.states.get(id) ?? []);
    return this.#candidates.of(audience, states);
  }
}
