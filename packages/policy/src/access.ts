import { computed } from './compile/maps.ts';
import { Reach } from './compile/reach.ts';
import type { World } from './world.ts';

export interface AccessPair {
  readonly device: string;
  readonly resource: string;
}

export interface AccessDifference {
  readonly gained: number;
  readonly lost: number;
  readonly samples: readonly (AccessPair & { readonly change: 'gained' | 'lost' })[];
}

/** Devices and the resources of which they may reach any part through any of the resource's gateways. */
export function* accessPairs(world: World): Generator<AccessPair> {
  const reach = new Reach(world);
  for (const device of world.devices.values()) {
    if (!device.active) continue;
    for (const resource of reach.reachable(reach.policies.matched(device))) yield { device: device.id, resource };
  }
}

/** How many pairs a step from one world to another gives and takes, with at most `limit` samples of them. */
export function accessDifference(before: World, after: World, limit: number): AccessDifference {
  const worlds = [new Access(before), new Access(after)] as const;
  const groups = new Map<string, string[]>();
  for (const id of new Set([...before.devices.keys(), ...after.devices.keys()])) {
    const key = JSON.stringify(worlds.map((world) => world.policiesOf(id)));
    computed(groups, key, () => []).push(id);
  }

  const samples: (AccessPair & { change: 'gained' | 'lost' })[] = [];
  const count = (change: 'gained' | 'lost', resources: ReadonlySet<string>, devices: readonly string[]): number => {
    for (const resource of resources)
      for (const device of devices.slice(0, limit - samples.length)) samples.push({ change, device, resource });
    return resources.size * devices.length;
  };
  let [gained, lost] = [0, 0];
  for (const devices of groups.values()) {
    const [old, now] = worlds.map((world) => world.reachable(devices[0] as string)) as [Set<string>, Set<string>];
    gained += count('gained', now.difference(old), devices);
    lost += count('lost', old.difference(now), devices);
  }
  return { gained, lost, samples };
}

class Access {
  readonly #world: World;
  readonly #reach: Reach;

  constructor(world: World) {
    this.#world = world;
    this.#reach = new Reach(world);
  }

  /** Null for a device that is not there or not active. */
  policiesOf(id: string): string[] | null {
    const device = this.#world.devices.get(id);
    return device?.active ? this.#reach.policies.matched(device) : null;
  }

  reachable(id: string): ReadonlySet<string> {
    const policies = this.policiesOf(id);
    return policies === null ? new Set() : this.#reach.reachable(policies);
  }
}
