import { keyOf, type PolicyMatch } from './compile/audience/matches.ts';
import { computed } from './compile/indexes/maps.ts';
import { Reach } from './compile/reach.ts';
import type { WorldDevice, WorldPolicy, WorldResource } from './types.ts';
import type { World } from './world.ts';

/** A device that reaches any part of a resource. */
export interface AccessPair {
  readonly device: string;
  readonly resource: string;
}

/** How access differs between two worlds. */
export interface AccessDifference {
  readonly gained: number;
  readonly lost: number;
  /** Pairs of the devices concerned that keep access. */
  readonly unchanged: number;
  /** Lost ones first. */
  readonly samples: readonly (AccessPair & { readonly change: 'gained' | 'lost' })[];
}

/** Yields devices with the resources of which they may reach any part, through any gateway, at a moment. */
export function* accessPairs(world: World, at: number): Generator<AccessPair> {
  const reach = new Reach(world, at);
  for (const device of world.devices.values()) {
    const matches = reach.matches(device);
    for (const resource of matches === null ? [] : reach.reachable(matches)) yield { device: device.id, resource };
  }
}

/**
 * Returns how many pairs are gained and lost between two worlds at a moment, with at most `limit` samples. Shared
 * objects count as unchanged, so make `after` by `before.with(…)`.
 */
export function accessDifference(before: World, after: World, limit: number, at: number): AccessDifference {
  const reaches = [new Reach(before, at), new Reach(after, at)] as const;
  const samples: Record<'gained' | 'lost', AccessPair[]> = { gained: [], lost: [] };
  const count = (change: 'gained' | 'lost', resources: ReadonlySet<string>, devices: readonly string[]): number => {
    const found = samples[change];
    for (const resource of resources)
      for (const device of devices.slice(0, limit - found.length)) found.push({ device, resource });
    return resources.size * devices.length;
  };

  let [gained, lost, unchanged] = [0, 0, 0];
  for (const { old, now, devices } of groupsOf(concernedDevices(before, after, reaches), reaches)) {
    gained += count('gained', now.difference(old), devices);
    lost += count('lost', old.difference(now), devices);
    unchanged += old.intersection(now).size * devices.length;
  }
  const all = (['lost', 'gained'] as const).flatMap((change) => samples[change].map((pair) => ({ change, ...pair })));
  return { gained, lost, unchanged, samples: all.slice(0, limit) };
}

type Pair<T> = readonly [before: T, after: T];
type Reachable = ReadonlySet<string>;

/** Returns devices grouped by equal matches in both worlds, with what they reach in each. */
function groupsOf(devices: Iterable<Pair<WorldDevice | undefined>>, [before, after]: Pair<Reach>) {
  const matchesIn = (reach: Reach, device: WorldDevice | undefined) =>
    device === undefined ? null : reach.matches(device);
  const reachableIn = (reach: Reach, matches: readonly PolicyMatch[] | null): Reachable =>
    matches === null ? new Set() : reach.reachable(matches);

  const groups = new Map<string, { old: Reachable; now: Reachable; devices: string[] }>();
  for (const [a, b] of devices) {
    const [old, now] = [matchesIn(before, a), matchesIn(after, b)];
    const group = computed(groups, JSON.stringify([old && keyOf(old), now && keyOf(now)]), () => ({
      old: reachableIn(before, old),
      now: reachableIn(after, now),
      devices: [],
    }));
    group.devices.push((a ?? b)?.id as string);
  }
  return groups.values();
}

/** Yields devices that changed, whose owner changed, or whose policies may have another outcome. */
function* concernedDevices(
  before: World,
  after: World,
  reaches: Pair<Reach>,
): Generator<Pair<WorldDevice | undefined>> {
  const concerned = before.settings === after.settings ? new Sources(before, after, reaches) : null;
  for (const [a, b] of pairsOf(before.devices, after.devices))
    if (a !== b || concerned === null || (a !== undefined && concerned.match(a))) yield [a, b];
}

/**
 * Yields policies that changed, whose rule changed, or that name addresses of a changed resource or of a resource on a
 * changed gateway. Both worlds' versions are included, since the sources may differ.
 */
function* concernedPolicies(before: World, after: World, reaches: Pair<Reach>): Generator<WorldPolicy> {
  for (const versions of changed(before.policies, after.policies)) for (const policy of versions) yield policy;
  const resources = new Set<WorldResource>(changed(before.resources, after.resources).flat());
  const gateways = idsOf(changed(before.gateways, after.gateways));
  const rules = idsOf(changed(before.rules, after.rules));
  for (const { resources: index, policies } of reaches) {
    for (const rule of rules) for (const id of policies.withRule(rule)) yield policies.get(id) as WorldPolicy;
    const ids = new Set([...gateways].flatMap((gateway) => [...index.attached(gateway)]));
    for (const resource of resources) for (const entry of index.near(resource)) ids.add(entry.resource.id);
    for (const id of ids) {
      const resource = index.get(id);
      for (const policy of resource === undefined ? [] : policies.of(resource))
        yield policies.get(policy) as WorldPolicy;
    }
  }
}

/** Tells which devices a step from one world to another may affect, by policies, users and groups. */
class Sources {
  #everyDevice = false;
  #everyUser = false;
  readonly #devices = new Set<string>();
  readonly #users = new Set<string>();
  readonly #groups: Set<string>;
  readonly #worlds: Pair<World>;

  constructor(before: World, after: World, reaches: Pair<Reach>) {
    this.#worlds = [before, after];
    this.#groups = idsOf(changed(before.groups, after.groups));
    for (const id of idsOf(changed(before.users, after.users))) this.#users.add(id);
    for (const policy of new Set(concernedPolicies(before, after, reaches))) {
      this.#everyDevice ||= policy.allDevices;
      this.#everyUser ||= policy.allUsers || policy.allGroups;
      for (const device of policy.devices) this.#devices.add(device);
      for (const user of policy.users) this.#users.add(user);
      for (const group of policy.groups) this.#groups.add(group);
    }
  }

  match({ id, user }: WorldDevice): boolean {
    if (this.#everyDevice || this.#devices.has(id)) return true;
    if (user === null) return false;
    if (this.#everyUser || this.#users.has(user)) return true;
    return this.#worlds.some((world) => world.users.get(user)?.groups.some((group) => this.#groups.has(group)));
  }
}

function* pairsOf<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): Generator<Pair<T | undefined>> {
  for (const [id, value] of before) yield [value, after.get(id)];
  for (const [id, value] of after) if (!before.has(id)) yield [undefined, value];
}

/** Returns the versions of the objects that differ. */
function changed<T>(before: ReadonlyMap<string, T>, after: ReadonlyMap<string, T>): T[][] {
  return [...pairsOf(before, after)]
    .filter(([a, b]) => a !== b)
    .map((pair) => pair.filter((v) => v !== undefined) as T[]);
}

function idsOf(versions: readonly (readonly { readonly id: string }[])[]): Set<string> {
  return new Set(versions.flat().map(({ id }) => id));
}
