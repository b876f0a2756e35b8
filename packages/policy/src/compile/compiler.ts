import { emptyStateHash, type StateDelta, type StateItem } from '@sallyport/contract/channel';
import { prefixRange, type ReservedRange, reservedRanges } from '../addresses.ts';
import type { WorldChange, WorldPolicy, WorldResource, WorldSettings } from '../types.ts';
import { MutableWorld, World } from '../world.ts';
import { type Audience, Audiences } from './audiences.ts';
import { Effects } from './effects.ts';
import { GatewayState } from './gateway-state.ts';
import { computed, Multimap } from './maps.ts';
import { PolicyIndex } from './policy-index.ts';
import { ResourceIndex } from './resource-index.ts';

/**
 * Desired states of all gateways of a tenant, kept up with changes of its world. The states are a function of the world
 * alone: any way to the same world leads to the same items and hashes.
 */
export class TenantCompiler {
  readonly #world: MutableWorld;
  readonly #policies = new PolicyIndex();
  readonly #resources = new ResourceIndex();
  readonly #audiences = new Audiences();
  readonly #users = new Multimap();
  readonly #states = new Map<string, GatewayState>();
  /** Gateways by policy that decides something there. */
  readonly #touched = new Multimap();
  #reserved: readonly ReservedRange[];

  constructor(settings: WorldSettings) {
    this.#world = MutableWorld.copyOf(World.empty(settings));
    this.#reserved = reservedRanges(settings);
  }

  get world(): World {
    return this.#world;
  }

  /** Items of a gateway; none when it is unknown. */
  items(gateway: string): StateItem[] {
    return this.#states.get(gateway)?.store.all() ?? [];
  }

  /** State hash of a gateway, as `StateHash` over its items. */
  hash(gateway: string): string {
    return this.#states.get(gateway)?.store.hash ?? emptyStateHash;
  }

  /**
   * Follows changes, all at once. Returns what changed on each gateway whose state is another one now: for a new
   * gateway everything, for a removed one nothing. Throws RangeError, and follows none, when an address is malformed.
   */
  apply(changes: readonly WorldChange[]): ReadonlyMap<string, StateDelta> {
    const effects = new Effects();
    // Later changes of one object replace earlier ones.
    const last = new Map(
      changes.map((change) => [change.kind === 'settings' ? '' : `${change.kind}/${change.id}`, change]),
    );
    for (const change of last.values()) assertReadable(change);
    for (const change of last.values()) this.#take(change, effects);

    this.#regroupDevices(effects);
    this.#renewInterfaces(effects);
    for (const [gateway, policies] of this.#renewDestinations(effects)) this.#placeAgain(gateway, policies, effects);
    this.#placeFounded(effects);
    this.#renewDevices(effects);
    return this.#settle(effects);
  }

  #take(change: WorldChange, effects: Effects): void {
    switch (change.kind) {
      case 'settings':
        this.#world.apply(change);
        this.#reserved = reservedRanges(change.value);
        for (const id of this.#states.keys()) effects.rebuild.add(id);
        for (const id of this.#states.keys()) effects.interfaces.add(id);
        return;
      case 'gateway':
        this.#takeGateway(change, effects);
        return;
      case 'device':
        this.#takeDevice(change, effects);
        return;
      case 'resource':
        this.#world.apply(change);
        this.#takeResource(change.id, change.value, effects);
        return;
      case 'policy':
        this.#world.apply(change);
        this.#takePolicy(change.id, change.value, effects);
        return;
    }
  }

  #takeGateway(change: WorldChange & { kind: 'gateway' }, effects: Effects): void {
    const { id, value } = change;
    const old = this.#world.gateways.get(id);
    this.#world.apply(change);
    if (value !== null) {
      computed(this.#states, id, () => new GatewayState(id, this.#policies));
      effects.interfaces.add(id);
      if (old === undefined || (old.intent === 'OFFLINE') !== (value.intent === 'OFFLINE')) effects.rebuild.add(id);
      return;
    }
    const state = this.#states.get(id);
    if (state === undefined) return;
    for (const policy of state.touching) this.#touched.delete(policy, id);
    state.vacate();
    this.#states.delete(id);
  }

  #takeDevice(change: WorldChange & { kind: 'device' }, effects: Effects): void {
    const { id, value } = change;
    const old = this.#world.devices.get(id);
    if (old?.user != null) this.#users.delete(old.user, id);
    if (value?.user != null) this.#users.add(value.user, id);
    this.#world.apply(change);
    effects.rematch.add(id);
    effects.changed.add(id);
  }

  /** A resource matters to its own gateways, and, when it is denied, to those that carry the same addresses. */
  #takeResource(id: string, value: WorldResource | null, effects: Effects): void {
    this.#markResource(id, effects);
    this.#resources.set(id, value);
    this.#markResource(id, effects);
  }

  #markResource(id: string, effects: Effects): void {
    const resource = this.#resources.get(id);
    if (resource === undefined) return;
    for (const gateway of resource.gateways) effects.rebuild.add(gateway);
    if (this.#policies.denies(resource)) this.#markOverlapping(id, effects);
  }

  #markOverlapping(resource: string, effects: Effects): void {
    for (const { range } of this.#resources.entries(resource))
      for (const entry of this.#resources.overlapping(range))
        for (const gateway of entry.resource.gateways) effects.rebuild.add(gateway);
  }

  #takePolicy(id: string, value: WorldPolicy | null, effects: Effects): void {
    const old = this.#policies.get(id) ?? null;
    this.#policies.set(id, value);
    const now = this.#policies.get(id) ?? null;
    if (old?.allDevices || now?.allDevices) effects.universal.add(id);
    if (sources(old) !== sources(now)) for (const policy of [old, now]) this.#rematchSources(policy, effects);
    for (const gateway of this.#touched.get(id)) effects.concern(gateway, id);
    if (destinations(old) !== destinations(now)) for (const policy of [old, now]) this.#markPolicy(policy, effects);
  }

  #rematchSources(policy: WorldPolicy | null, effects: Effects): void {
    if (policy === null) return;
    for (const device of policy.devices) effects.rematch.add(device);
    for (const user of policy.users) for (const device of this.#users.get(user)) effects.rematch.add(device);
    if (!policy.allUsers && !policy.allGroups) return;
    for (const device of this.#world.devices.values()) if (device.user !== null) effects.rematch.add(device.id);
  }

  /** Gateways where the destinations of a policy are: an allow adds ports there, a deny may also cut other classes. */
  #markPolicy(policy: WorldPolicy | null, effects: Effects): void {
    if (policy === null) return;
    if (policy.allResources) {
      for (const id of this.#states.keys()) {
        if (policy.allow) effects.concern(id, policy.id);
        else effects.rebuild.add(id);
      }
      return;
    }
    for (const id of policy.resources) {
      if (!policy.allow) this.#markOverlapping(id, effects);
      else for (const gateway of this.#resources.get(id)?.gateways ?? []) effects.concern(gateway, policy.id);
    }
  }

  #regroupDevices(effects: Effects): void {
    const left = new Set<Audience>();
    for (const id of effects.rematch) {
      const device = this.#world.devices.get(id) ?? null;
      const before = this.#audiences.of(id);
      const now = this.#audiences.assign(id, device, device === null ? [] : this.#policies.matched(device));
      if (before === now && !effects.changed.has(id)) continue;
      effects.moved.add(id);
      for (const gateway of before?.gateways ?? []) effects.renew(gateway, id);
      if (before !== undefined) left.add(before);
      if (now !== undefined && now.gateways.size === 0) effects.founded.add(now);
    }
    for (const audience of left) {
      if (audience.devices.size > 0) continue;
      for (const gateway of [...audience.gateways]) this.#states.get(gateway)?.remove(audience);
      this.#audiences.dissolve(audience);
      effects.founded.delete(audience);
    }
  }

  #renewInterfaces(effects: Effects): void {
    for (const id of effects.interfaces) {
      const gateway = this.#world.gateways.get(id);
      if (gateway !== undefined) this.#states.get(id)?.renewInterface(gateway, this.#world.settings);
      effects.touched.add(id);
    }
  }

  /** Renews what policies are about; returns the policies by gateway whose outcome may be another one. */
  #renewDestinations(effects: Effects): Map<string, Set<string>> {
    const outcome = new Map<string, Set<string>>();
    for (const id of new Set([...effects.rebuild, ...effects.concerned.keys()])) {
      const [state, gateway] = [this.#states.get(id), this.#world.gateways.get(id)];
      if (state === undefined || gateway === undefined) continue;
      const policies = effects.concerned.get(id) ?? new Set();
      for (const policy of policies) state.forget(policy);
      const changed = effects.rebuild.has(id)
        ? state.rebuild(gateway, this.#resources, this.#reserved)
        : new Set([...policies].filter((policy) => state.refreshPolicy(policy)));
      for (const policy of changed) this.#noteTouched(state, policy);
      outcome.set(id, changed.union(policies));
    }
    return outcome;
  }

  #noteTouched(state: GatewayState, policy: string): void {
    this.#touched[state.touchedBy(policy) ? 'add' : 'delete'](policy, state.id);
  }

  #placeAgain(gateway: string, policies: ReadonlySet<string>, effects: Effects): void {
    const state = this.#states.get(gateway);
    if (state === undefined) return;
    effects.touched.add(gateway);
    if (policies.size === 0) return;
    const everybody = policies.values().some((p) => effects.universal.has(p) || this.#policies.universal.has(p));
    state.invalidate(policies, everybody);
    const audiences = everybody
      ? this.#audiences.all()
      : new Set(policies.values().flatMap((policy) => this.#audiences.withPolicy(policy)));
    for (const audience of audiences) this.#place(state, audience, effects);
  }

  #placeFounded(effects: Effects): void {
    for (const audience of effects.founded)
      for (const policy of [...audience.policies, ...this.#policies.universal])
        for (const gateway of this.#touched.get(policy)) {
          const state = this.#states.get(gateway);
          if (state !== undefined && !audience.gateways.has(gateway)) this.#place(state, audience, effects);
        }
  }

  #place(state: GatewayState, audience: Audience, effects: Effects): void {
    if (!state.place(audience)) return;
    for (const device of audience.devices) effects.renew(state.id, device);
  }

  #renewDevices(effects: Effects): void {
    for (const id of effects.moved)
      for (const gateway of this.#audiences.of(id)?.gateways ?? []) effects.renew(gateway, id);
    for (const [gateway, devices] of effects.renewed) {
      effects.touched.add(gateway);
      const state = this.#states.get(gateway);
      for (const id of devices) state?.setDevice(id, this.#world.devices.get(id) ?? null, this.#audiences.of(id));
    }
  }

  #settle(effects: Effects): Map<string, StateDelta> {
    const deltas = new Map<string, StateDelta>();
    for (const id of effects.touched) {
      const delta = this.#states.get(id)?.settle() ?? null;
      if (delta !== null) deltas.set(id, delta);
    }
    return deltas;
  }
}

function assertReadable(change: WorldChange): void {
  if (change.kind === 'settings') reservedRanges(change.value);
  if (change.kind === 'resource') for (const { prefix } of change.value?.addresses ?? []) prefixRange(prefix);
}

/** Text that is equal when two policies have the same sources. */
function sources(policy: WorldPolicy | null): string {
  if (policy === null) return '';
  const { allUsers, allGroups, allDevices, users, devices } = policy;
  return JSON.stringify([allUsers, allGroups, allDevices, users, devices]);
}

/** Text that is equal when two policies do the same to the same destinations. */
function destinations(policy: WorldPolicy | null): string {
  if (policy === null) return '';
  const { allow, type, allResources, resources } = policy;
  return JSON.stringify([allow, type, allResources, resources]);
}
