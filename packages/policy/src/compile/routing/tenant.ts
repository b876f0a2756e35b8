import type { BeaconItem, RelayPointItem } from '@sallyport/contract/channel';
import type { AddressSpace } from '../../addresses.ts';
import type { WorldGateway } from '../../types.ts';
import type { World } from '../../world.ts';
import type { Audience } from '../audience/audiences.ts';
import type { GatewayState } from '../gateway/gateway-state.ts';
import { beaconItems, isUsable, relayPoint } from '../indexes/facts.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';
import type { ResourceIndex } from '../indexes/resource-index.ts';
import { type RouteCandidate, RouteCandidates } from './candidates.ts';

/** What the compiler knows of its tenant, for the parts of it that find ways through gateways. */
export class Tenant {
  readonly world: World;
  readonly policies: PolicyIndex;
  readonly resources: ResourceIndex;
  readonly states: ReadonlyMap<string, GatewayState>;
  addressSpace: AddressSpace;
  readonly #candidates: RouteCandidates;

  constructor(
    world: World,
    policies: PolicyIndex,
    resources: ResourceIndex,
    states: ReadonlyMap<string, GatewayState>,
    addressSpace: AddressSpace,
  ) {
    this.world = world;
    this.policies = policies;
    this.resources = resources;
    this.states = states;
    this.addressSpace = addressSpace;
    this.#candidates = new RouteCandidates(resources, policies);
  }

  /** A gateway that others can have a tunnel to. */
  usable(id: string): (WorldGateway & { readonly publicKey: string }) | null {
    const gateway = this.world.gateways.get(id);
    return isUsable(gateway) ? gateway : null;
  }

  /** What all agents are told of, each relay but to itself. */
  common(): (BeaconItem | RelayPointItem)[] {
    const gateways = [...this.world.gateways.values()];
    return [...beaconItems(this.world.settings), ...gateways.flatMap((gateway) => relayPoint(gateway) ?? [])];
  }

  /** Candidates of usable gateways for an audience. */
  candidates(audience: Audience): RouteCandidate[] {
    const usable = [...audience.gateways].sort().filter((id) => this.usable(id) !== null);
    const states = usable.flatMap((id) => this.states.get(id) ?? []);
    return this.#candidates.of(audience, states);
  }
}
