import { conditionOf, groupsOf, isAccessPoint, isAlive, isAttachable } from '../../matching.ts';
import type { WorldDevice, WorldPolicy, WorldResource } from '../../types.ts';
import { compareWithinType, type World } from '../../world.ts';
import { Multimap } from './maps.ts';

/** Finds policies by the sources and destinations that they name. */
export class PolicyIndex {
  readonly #world: World;
  readonly #policies = new Map<string, Indexed>();
  /**
   * Policies of every active device that depend on no rule. They are part of every profile, so no profile id has them.
   */
  readonly #universal = new Set<string>();
  readonly #everyDevice = new Set<string>();
  readonly #everyUser = new Set<string>();
  readonly #everyGroup = new Set<string>();
  readonly #byUser = new Multimap();
  readonly #byGroup = new Multimap();
  readonly #byDevice = new Multimap();
  readonly #byResource = new Multimap();
  readonly #byType = new Multimap();
  readonly #byRule = new Multimap();
  readonly #internet = new Set<string>();
  readonly #accessPoints = new Multimap();
  readonly #sites = new Set<string>();
  readonly #denying = new Set<string>();

  /** Reads owners, groups and rules from `world` when a policy is set or a device is matched. */
  constructor(world: World) {
    this.#world = world;
  }

  /** Returns a policy, or undefined when it is unknown. */
  get(id: string): WorldPolicy | undefined {
    return this.#policies.get(id)?.policy;
  }

  /** Policies that apply to every active device, without a rule. */
  get universal(): ReadonlySet<string> {
    return this.#universal;
  }

  /** Ids of the policies about the public internet. */
  get internet(): ReadonlySet<string> {
    return this.#internet;
  }

  /** Returns the policies about the public internet in the order of evaluation. */
  internetInOrder(): readonly WorldPolicy[] {
    return [...this.#internet].sort(this.compare).flatMap((id) => this.get(id) ?? []);
  }

  /** Ids of the policies between sites. */
  get sites(): ReadonlySet<string> {
    return this.#sites;
  }

  /** Returns the policies that send internet traffic through a gateway. */
  accessPoints(gateway: string): ReadonlySet<string> {
    return this.#accessPoints.get(gateway);
  }

  /** Gateways through which a policy sends internet traffic. */
  get accessPointGateways(): Iterable<string> {
    return this.#accessPoints.keys();
  }

  /** Returns the policies that name a rule, even if the rule does not exist. */
  withRule(rule: string): ReadonlySet<string> {
    return this.#byRule.get(rule);
  }

  /** Adds, replaces or (null) removes a policy. */
  set(id: string, policy: WorldPolicy | null): void {
    const old = this.#policies.get(id);
    if (old !== undefined) {
      this.#link(old, 'delete');
      this.#policies.delete(id);
    }
    if (policy === null) return;
    const indexed = { policy, conditional: conditionOf(this.#world, policy) !== null };
    this.#policies.set(id, indexed);
    this.#link(indexed, 'add');
  }

  /** Returns the sorted ids of the policies whose sources include a device, without the universal policies. */
  matched(device: WorldDevice): string[] {
    if (!isAlive(this.#world, device)) return [];
    const ids = new Set(this.#byDevice.get(device.id));
    for (const id of this.#everyDevice) ids.add(id);
    if (device.user === null) return [...ids].sort();
    for (const id of this.#everyUser) ids.add(id);
    for (const id of this.#byUser.get(device.user)) ids.add(id);
    const groups = groupsOf(this.#world, device.user);
    if (groups.length > 0) for (const id of this.#everyGroup) ids.add(id);
    for (const group of groups) for (const id of this.#byGroup.get(group)) ids.add(id);
    return [...ids].sort();
  }

  /** Returns the policies that name a resource, or all resources of its type. */
  of(resource: WorldResource): Set<string> {
    const named = [...this.#byResource.get(resource.id)].filter((id) => {
      const type = this.get(id)?.type;
      return type === resource.type || (type === 'SITETOSITE' && isAttachable(resource.type));
    });
    return this.#byType.get(resource.type).union(new Set(named));
  }

  /** Returns whether any policy denies a resource. */
  denies(resource: WorldResource): boolean {
    for (const id of this.of(resource)) if (this.get(id)?.allow === false) return true;
    return false;
  }

  /** Policies that deny certain resources to devices. */
  denyingByName(): WorldPolicy[] {
    return [...this.#denying].flatMap((id) => this.get(id) ?? []);
  }

  /** Compares policy ids by order of evaluation, over all types. Unknown ids come last. */
  readonly compare = (a: string, b: string): number => {
    const [x, y] = [this.get(a), this.get(b)];
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
    return typeRank[x.type] - typeRank[y.type] || compareWithinType(x, y);
  };

  #link({ policy, conditional }: Indexed, action: 'add' | 'delete'): void {
    this.#byRule[action](policy.rule, policy.id);
    this.#linkDestinations(policy, action);
    if (policy.type === 'SITETOSITE') {
      this.#sites[action](policy.id);
      return;
    }
    if (policy.allDevices) {
      (conditional ? this.#everyDevice : this.#universal)[action](policy.id);
      return;
    }
    for (const device of policy.devices) this.#byDevice[action](device, policy.id);
    if (policy.allUsers) this.#everyUser[action](policy.id);
    else for (const user of policy.users) this.#byUser[action](user, policy.id);
    if (policy.allGroups) this.#everyGroup[action](policy.id);
    else for (const group of policy.groups) this.#byGroup[action](group, policy.id);
  }

  #linkDestinations(policy: WorldPolicy, action: 'add' | 'delete'): void {
    if (policy.type === 'INTERNET') this.#internet[action](policy.id);
    if (deniesByName(policy)) this.#denying[action](policy.id);
    if (isAccessPoint(policy)) for (const gateway of policy.gateways) this.#accessPoints[action](gateway, policy.id);
    if (!policy.allResources) for (const resource of policy.resources) this.#byResource[action](resource, policy.id);
    else if (policy.type !== 'SITETOSITE') this.#byType[action](policy.type, policy.id);
    else for (const type of ['PRIVATE', 'SAAS']) this.#byType[action](type, policy.id);
  }
}

/** Returns whether a policy denies certain resources to devices. A deny of all resources covers names as well. */
export const deniesByName = ({ allow, allResources, type }: WorldPolicy): boolean =>
  !allow && !allResources && type !== 'SITETOSITE';

interface Indexed {
  readonly policy: WorldPolicy;
  /** Whether it depended on a rule when it was indexed. */
  readonly conditional: boolean;
}

const typeRank = { PRIVATE: 0, SAAS: 1, INTERNET: 2, SITETOSITE: 3 } as const;
