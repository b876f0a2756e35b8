import { computed } from './compile/maps.ts';
import { Reach } from './compile/reach.ts';
import type { WorldDevice, WorldPolicy, WorldResource } from './types.ts';
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
  for (const device of world.devices.values())
    if (device.active)
      for (const resource of reach.reachable(reach.policies.matched(device))) yield { device: device.id, resource };
}

/**
 * How many pairs a step from one world to another gives and takes, with at most `limit` samples of them. Objects that
 * both worlds share are taken as unchanged, so `after` is best made by `before.with(…)`.
 */
export function accessDifference(before: World, after: World, limit: number): AccessDifference {
  const reaches = [new Reach(before), new Reach(after)] as const;
  const samples: (AccessPair & { change: 'gained' | 'lost' })[] = [];
  const count = (change: 'gained' | 'lost', resources: ReadonlySet<string>, devices: readonly string[]): number => {
    for (const resource of resources)
      for (const device of devices.slice(0, limit - samples.length)) samples.push({ change, device, resource });
    return resources.size * devices.length;
  };

  let [gained, lost] = [0, 0];
  for (const { old, now, devices } of groupsOf(concernedDevices(before, after, reaches), reaches)) {
    gained += count('gained', now.difference(old), devices);
    lost += count('lost', old.difference(now), devices);
  }
  return { gained, lost, samples };
}

type Pair<T> = readonly [before: T, after: T];
type Reachable = ReadonlySet<string>;

/** Devices that have the same policies in both worlds, with what these reach there. */
function groupsOf(devices: Iterable<Pair<WorldDevice | undefined>>, [before, after]: Pair<Reach>) {
  const policiesIn = (reach: Reach, device: WorldDevice | undefined) =>
    device?.active ? reach.policies.matched(device) : null;
  const reachableIn = (reach: Reach, policies: string[] | null): Reachable =>
    policies === null ? new Set() : reach.reachable(policies);

  const groups = new Map<string, { old: Reachable; now: Reachable; devices: string[] }>();
  for (const [a, b] of devices) {
    const policies = [policiesIn(before, a), policiesIn(after, b)] as const;
    const group = computed(groups, JSON.stringify(policies), () => ({
      old: reachableIn(before, policies[0]),
      now: reachableIn(after, policies[1]),
      devices: [],
    }));
    group.devices.push((a ?? b)?.id as string);
  }
  return groups.values();
}

/** Devices that changed, and those with a policy whose outcome may be another one. */
function* concernedDevices(
  before: World,
  after: World,
  reaches: Pair<Reach>,
): Generator<Pair<WorldDevice | undefined>> {
  const concerned = before.settings === after.settings ? new Sources(concernedPolicies(before, after, reaches)) : null;
  for (const [a, b] of pairsOf(before.devices, after.devices))
    if (a !== b || concerned === null || (a !== undefined && concerned.match(a))) yield [a, b];
}

/**
 * Policies that changed, or that speak of addresses of a changed resource or of a resource on a changed gateway. As the
 * versions of both worlds, since the sources may differ.
 */
function* concernedPolicies(before: World, after: World, reaches: Pair<Reach>): Generator<WorldPolicy> {
  for (const versions of changed(before.policies, after.policies)) for (const policy of versions) yield policy;
  const resources = new Set<WorldResource>(changed(before.resources, after.resources).flat());
  const gateways = new Set(
    changed(before.gateways, after.gateways).flatMap((versions) => versions.map(({ id }) => id)),
  );
  for (const { resources: index, policies } of reaches) {
    const ids = new Set([...gateways].flatMap((gateway) => [...index.attached(gateway)]));
    for (const resource of resources) for (const entry of index.near(resource)) ids.add(entry.resource.id);
    for (const id of ids) {
      const resource = index.get(id);
      for (const policy of resource === undefined ? [] : policies.of(resource))
        yield policies.get(policy) as WorldPolicy;
    }
  }
}

/** Sources of several policies together. */
class Sources {
  #everyDevice = false;
  #everyUser = false;
  readonly #devices = new Set<string>();
  readonly #users = new Set<string>();

  constructor(policies: Iterable<WorldPolicy>) {
    for (const policy of new Set(policies)) {
      this.#everyDevice ||= policy.allDevices;
      this.#everyUser ||= policy.allUsers || policy.allGroups;
      for (const device of policy.devices) this.#devices.add(device);
      for (const user of policy.users) this.#users.add(user);
    }
  }

  match({ id, user }: WorldDevice): boolean {
    return this.#everyDevice || this.#devices.has(id) || (user !== null && (this.#everyUser || this.#users.has(user)));
  }
}

function* pairsOf<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): Generator<Pair<T | undefined>> {
  for (const [id, value] of before) yield [value, after.get(id)];
  for (const [id, value] of after) if (!before.has(id)) yield [undefined, value];
}

/** Versions of the objects that are not the same in both. */
function changed<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): T[][] {
  return [...pairsOf(before, after)]
    .filter(([a, b]) => a !== b)
    .map((pair) => pair.filter((v) => v !== undefined) as T[]);
}
