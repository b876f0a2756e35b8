import { type ReservedRange, reservedRanges } from '../addresses.ts';
import { portsOverlap } from '../ports.ts';
import type { World } from '../world.ts';
import { type Cell, CellResolver } from './cells.ts';
import { type Destinations, destinationsOf, policiesAbout, policyPorts } from './destinations.ts';
import { computed } from './maps.ts';
import { PolicyIndex } from './policy-index.ts';
import { ResourceIndex } from './resource-index.ts';

/** What sets of policies reach in a world that stands still, worked out on demand. */
export class Reach {
  readonly policies = new PolicyIndex();
  readonly resources = new ResourceIndex();
  readonly #world: World;
  readonly #reserved: readonly ReservedRange[];
  readonly #gateways = new Map<string, GatewayReach>();
  readonly #carriers = new Map<string, ReadonlySet<string>>();
  readonly #reachable = new Map<string, ReadonlySet<string>>();

  constructor(world: World) {
    this.#world = world;
    this.#reserved = reservedRanges(world.settings);
    for (const [id, policy] of world.policies) this.policies.set(id, policy);
    for (const [id, resource] of world.resources) this.resources.set(id, resource);
  }

  /** Gateways through which these policies and the universal ones may admit anything. */
  gatewaysOf(policies: readonly string[]): Set<string> {
    let ids = new Set<string>();
    for (const policy of [...policies, ...this.policies.universal]) ids = ids.union(this.#carriersOf(policy));
    return ids;
  }

  gateway(id: string): GatewayReach {
    return computed(this.#gateways, id, () => {
      const gateway = this.#world.gateways.get(id) ?? null;
      const destinations = destinationsOf(gateway, this.resources, this.policies, this.#reserved);
      return new GatewayReach(destinations, this.resources, this.policies);
    });
  }

  /** Resources that these policies and the universal ones open at least partly, through any gateway. */
  reachable(policies: readonly string[]): ReadonlySet<string> {
    return computed(this.#reachable, policies.join(' '), () => {
      let ids: ReadonlySet<string> = new Set();
      for (const gateway of this.gatewaysOf(policies)) ids = ids.union(this.gateway(gateway).reachable(policies));
      return ids;
    });
  }

  #carriersOf(id: string): ReadonlySet<string> {
    return computed(this.#carriers, id, () => {
      const policy = this.policies.get(id);
      if (policy === undefined || !policy.allow) return new Set();
      const named = policy.allResources
        ? this.#world.resources.values().toArray()
        : policy.resources.flatMap((resource) => this.#world.resources.get(resource) ?? []);
      return new Set(named.filter(({ type }) => type === policy.type).flatMap(({ gateways }) => gateways));
    });
  }
}

/** The same on one gateway. */
export class GatewayReach {
  readonly destinations: Destinations;
  readonly #resolver: CellResolver;
  readonly #touching: ReadonlySet<string>;
  readonly #reachable = new Map<string, ReadonlySet<string>>();
  readonly #opened = new Map<string, readonly string[]>();

  constructor(destinations: Destinations, resources: ResourceIndex, policies: PolicyIndex) {
    this.destinations = destinations;
    this.#resolver = new CellResolver(policies);
    for (const id of policiesAbout(destinations, resources, policies)) {
      const policy = policies.get(id);
      if (policy !== undefined) this.#resolver.setPorts(id, policyPorts(policy, destinations));
    }
    this.#touching = new Set(this.#resolver.touching);
  }

  cells(policies: readonly string[]): readonly Cell[] {
    return this.#resolver.cells(policies.filter((policy) => this.#touching.has(policy)));
  }

  grants(cell: Cell) {
    return this.#resolver.grants(cell);
  }

  reachable(policies: readonly string[]): ReadonlySet<string> {
    const own = policies.filter((policy) => this.#touching.has(policy));
    return computed(this.#reachable, own.join(' '), () => {
      const ids = new Set<string>();
      for (const cell of this.#resolver.cells(own)) for (const id of this.#openedBy(cell)) ids.add(id);
      return ids;
    });
  }

  /** Attached resources of which a cell opens a port. */
  #openedBy(cell: Cell): readonly string[] {
    return computed(this.#opened, `${cell.class} ${cell.bundle}`, () => {
      const entries = this.destinations.classes.get(cell.class)?.entries ?? [];
      return entries
        .filter((entry) => this.destinations.byResource.get(entry.resource.id)?.attached)
        .filter((entry) => portsOverlap(entry.ports, this.grants(cell)))
        .map((entry) => entry.resource.id);
    });
  }
}
