import { admission, type EnforcedType, isEnforced } from '../rules.ts';
import type { WorldDevice, WorldPolicy, WorldResource } from '../types.ts';
import { compareWithinType } from '../world.ts';
import { Multimap } from './maps.ts';

/** Policies that can decide over a packet now, found by what they name. The others are as if they were not there. */
export class PolicyIndex {
  readonly #policies = new Map<string, WorldPolicy>();
  /** Policies of every active device: they are part of every profile and so of no profile's id. */
  readonly #universal = new Set<string>();
  readonly #everyUser = new Set<string>();
  readonly #byUser = new Multimap();
  readonly #byDevice = new Multimap();
  readonly #byResource = new Multimap();
  readonly #byType = new Multimap();

  get(id: string): WorldPolicy | undefined {
    return this.#policies.get(id);
  }

  get universal(): ReadonlySet<string> {
    return this.#universal;
  }

  set(id: string, policy: WorldPolicy | null): void {
    const old = this.#policies.get(id);
    if (old !== undefined) {
      this.#link(old, 'delete');
      this.#policies.delete(id);
    }
    if (policy === null || !canDecide(policy)) return;
    this.#policies.set(id, policy);
    this.#link(policy, 'add');
  }

  /** Sorted ids of the policies that have a device among their sources, without the universal ones. */
  matched(device: WorldDevice): string[] {
    if (!device.active) return [];
    const ids = new Set(this.#byDevice.get(device.id));
    if (device.user !== null) {
      for (const id of this.#everyUser) ids.add(id);
      for (const id of this.#byUser.get(device.user)) ids.add(id);
    }
    return [...ids].sort();
  }

  /** Policies that speak of a resource. */
  of(resource: WorldResource): Set<string> {
    const named = [...this.#byResource.get(resource.id)].filter((id) => this.get(id)?.type === resource.type);
    return this.#byType.get(resource.type).union(new Set(named));
  }

  denies(resource: WorldResource): boolean {
    for (const id of this.of(resource)) if (this.get(id)?.allow === false) return true;
    return false;
  }

  /** Order of the walk over all types. Ids that are not indexed come last. */
  readonly compare = (a: string, b: string): number => {
    const [x, y] = [this.#policies.get(a), this.#policies.get(b)];
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined);
    return typeRank[x.type as EnforcedType] - typeRank[y.type as EnforcedType] || compareWithinType(x, y);
  };

  #link(policy: WorldPolicy, action: 'add' | 'delete'): void {
    if (policy.allResources) this.#byType[action](policy.type, policy.id);
    else for (const resource of policy.resources) this.#byResource[action](resource, policy.id);
    if (policy.allDevices) {
      this.#universal[action](policy.id);
      return;
    }
    for (const device of policy.devices) this.#byDevice[action](device, policy.id);
    if (policy.allUsers || policy.allGroups) this.#everyUser[action](policy.id);
    else for (const user of policy.users) this.#byUser[action](user, policy.id);
  }
}

/** Whether a policy can allow or deny anything at all at present. */
export function canDecide(policy: WorldPolicy): boolean {
  return isEnforced(policy.type) && admission(policy).met;
}

const typeRank: Record<EnforcedType, number> = { PRIVATE: 0, SAAS: 1 };
