import { addressSpaceOf } from '../addresses.ts';
import { isAccessPoint, isAlive } from '../matching.ts';
import { portsOverlap } from '../ports.ts';
import type { WorldDevice } from '../types.ts';
import type { World } from '../world.ts';
import { keyOf, type PolicyMatch } from './audience/matches.ts';
import { deviceMatches } from './audience/member-sources.ts';
import { OutcomeCache } from './audience/outcome-cache.ts';
import { type Cell, CellResolver } from './gateway/cells.ts';
import { type Destinations, destinationsOf, policiesAbout, policyPorts } from './gateway/destinations.ts';
import { computed } from './indexes/maps.ts';
import { PolicyIndex } from './indexes/policy-index.ts';
import { ResourceIndex } from './indexes/resource-index.ts';

/** Answers what devices reach in a world that does not change, at one moment. Answers are computed on demand. */
export class Reach {
  readonly at: number;
  readonly policies: PolicyIndex;
  readonly resources = new ResourceIndex();
  readonly #world: World;
  readonly #outcomes = new OutcomeCache();
  readonly #gateways = new Map<string, GatewayReach>();
  readonly #carriers = new Map<string, ReadonlySet<string>>();
  readonly #reachable = new Map<string, ReadonlySet<string>>();

  constructor(world: World, at: number) {
    this.at = at;
    this.policies = new PolicyIndex(world);
    this.#world = world;
    for (const [id, policy] of world.policies) this.policies.set(id, policy);
    for (const [id, resource] of world.resources) this.resources.set(id, resource);
  }

  /** Returns the policy matches of a device, without universal policies; null when it is not active. */
  matches(device: WorldDevice): readonly PolicyMatch[] | null {
    if (!isAlive(this.#world, device)) return null;
    const { timeZone } = this.#world.settings;
    return deviceMatches(this.#world, this.policies, device, (rule, inputs) =>
      this.#outcomes.ask(rule, inputs, this.at, timeZone),
    );
  }

  /** Returns the gateways through which some matches and the universal policies may admit anything. */
  gatewaysOf(matches: readonly PolicyMatch[]): Set<string> {
    let ids = new Set<string>();
    for (const { policy } of matches) ids = ids.union(this.#carriersOf(policy));
    for (const policy of this.policies.universal) ids = ids.union(this.#carriersOf(policy));
    return ids;
  }

  /** Returns the answers for one gateway. */
  gateway(id: string): GatewayReach {
    return computed(this.#gateways, id, () => {
      const gateway = this.#world.gateways.get(id) ?? null;
      const destinations = destinationsOf(gateway, this.resources, this.policies, addressSpaceOf(this.#world.settings));
      return new GatewayReach(id, destinations, this.resources, this.policies);
    });
  }

  /** Returns the resources that some matches and the universal policies open at least partly, through any gateway. */
  reachable(matches: readonly PolicyMatch[]): ReadonlySet<string> {
    return computed(this.#reachable, keyOf(matches), () => {
      let ids: ReadonlySet<string> = new Set();
      for (const gateway of this.gatewaysOf(matches)) ids = ids.union(this.gateway(gateway).reachable(matches));
      return ids;
    });
  }

  #carriersOf(id: string): ReadonlySet<string> {
    return computed(this.#carriers, id, () => {
      const policy = this.policies.get(id);
      if (policy === undefined) return new Set();
      if (policy.type === 'INTERNET') return new Set(isAccessPoint(policy) ? policy.gateways : []);
      if (!policy.allow) return new Set();
      const named = policy.allResources
        ? this.#world.resources.values().toArray()
        : policy.resources.flatMap((resource) => this.#world.resources.get(resource) ?? []);
      return new Set(named.filter(({ type }) => type === policy.type).flatMap(({ gateways }) => gateways));
    });
  }
}

/** Answers what devices reach through one gateway. */
export class GatewayReach {
  readonly destinations: Destinations;
  readonly #id: string;
  readonly #resolver: CellResolver;
  readonly #touching: ReadonlySet<string>;
  readonly #reachable = new Map<string, ReadonlySet<string>>();
  readonly #opened = new Map<string, ReadonlyMap<string, readonly string[]>>();

  constructor(id: string, destinations: Destinations, resources: ResourceIndex, policies: PolicyIndex) {
    this.destinations = destinations;
    this.#id = id;
    this.#resolver = new CellResolver(id, policies);
    for (const about of policiesAbout(destinations, resources, policies)) {
      const policy = policies.get(about);
      if (policy !== undefined) this.#resolver.setPorts(about, policyPorts(policy, destinations));
    }
    this.#touching = new Set(this.#resolver.touching);
  }

  /** Returns the cells of some matches. */
  cells(matches: readonly PolicyMatch[]): readonly Cell[] {
    return this.#resolver.cells(this.#own(matches), 'device');
  }

  /** Returns what a cell admits. */
  grants(cell: Cell) {
    return this.#resolver.grants(cell);
  }

  /** Returns the resources that some matches open at least partly. */
  reachable(matches: readonly PolicyMatch[]): ReadonlySet<string> {
    return computed(this.#reachable, keyOf(this.#own(matches)), () => {
      const ids = new Set<string>();
      for (const cell of this.cells(matches)) for (const id of this.opened(cell).keys()) ids.add(id);
      return ids;
    });
  }

  /** Returns the attached resources of which a cell opens a port, with the policies that do. */
  opened(cell: Cell): ReadonlyMap<string, readonly string[]> {
    return computed(this.#opened, `${cell.class} ${cell.bundle}`, () => {
      const opened = new Map<string, string[]>();
      for (const { resource, ports } of this.destinations.classes.get(cell.class)?.entries ?? []) {
        if (resource.type === 'INTERNET' || !resource.gateways.includes(this.#id)) continue;
        for (const grant of this.grants(cell))
          if (portsOverlap(ports, [grant])) computed(opened, resource.id, () => []).push(grant.policy);
      }
      return opened;
    });
  }

  #own(matches: readonly PolicyMatch[]): PolicyMatch[] {
    return matches.filter(({ policy }) => this.#touching.has(policy));
  }
}
