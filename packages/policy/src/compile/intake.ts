import { prefixRange, reservedRanges } from '../addresses.ts';
import { isAccessPoint } from '../matching.ts';
import type { WorldChange, WorldGateway, WorldPolicy, WorldRelay, WorldResource, WorldSettings } from '../types.ts';
import type { MutableWorld } from '../world.ts';
import type { Effects } from './audience/effects.ts';
import { entriesOf } from './indexes/entries.ts';
import { isEntry, relayPoint } from './indexes/facts.ts';
import { Multimap } from './indexes/maps.ts';
import type { PolicyIndex } from './indexes/policy-index.ts';
import type { ResourceIndex } from './indexes/resource-index.ts';
import type { Pairs } from './routing/pairs.ts';

/** Throws RangeError when a change has an address that cannot be read. */
export function assertReadable(change: WorldChange): void {
  if (change.kind === 'settings') reservedRanges(change.value);
  if (change.kind === 'resource') for (const { prefix } of change.value?.addresses ?? []) prefixRange(prefix);
  if (change.kind === 'policy') for (const prefix of change.value?.sourceIps ?? []) prefixRange(prefix);
}

/** Takes changes into world and indexes, and says what is to be done again because of them. */
export class Intake {
  readonly #world: MutableWorld;
  readonly #policies: PolicyIndex;
  readonly #resources: ResourceIndex;
  /** Gateways by policy that decides something there. */
  readonly #touched: Multimap;
  readonly #pairs: Pairs;
  readonly #devicesOf = new Multimap();
  /** Plain devices by the gateway through which they are to come in. */
  readonly #entering = new Multimap();
  readonly #usersOf = new Multimap();

  constructor(world: MutableWorld, policies: PolicyIndex, resources: ResourceIndex, touched: Multimap, pairs: Pairs) {
    this.#world = world;
    this.#policies = policies;
    this.#resources = resources;
    this.#touched = touched;
    this.#pairs = pairs;
  }

  /** Takes any change but that of a gateway. */
  take(change: Exclude<WorldChange, { kind: 'gateway' }>, effects: Effects): void {
    switch (change.kind) {
      case 'settings':
        this.#takeSettings(change.value, effects);
        return;
      case 'device':
        this.#takeDevice(change, effects);
        return;
      case 'user':
        this.#takeUser(change, effects);
        return;
      case 'group':
        this.#world.apply(change);
        for (const user of this.#usersOf.get(change.id)) this.#rematchUser(user, effects);
        return;
      case 'rule':
        this.#takeRule(change, effects);
        return;
      case 'resource':
        this.#takeResource(change, effects);
        return;
      case 'policy':
        this.#world.apply(change);
        this.#takePolicy(change.id, change.value, effects);
        return;
      case 'relay':
        this.#takeRelay(change, effects);
        return;
    }
  }

  /** Takes a gateway; its state is somebody else's. */
  takeGateway(change: WorldChange & { kind: 'gateway' }, effects: Effects): void {
    const { id, value } = change;
    const old = this.#world.gateways.get(id) ?? null;
    this.#world.apply(change);
    effects.peers.add(id);
    effects.links.add(id);
    this.#markPairs(id, effects);
    if (relayPoint(old)?.endpoint !== relayPoint(value)?.endpoint || old === null) effects.common = true;
    if (isEntry(old ?? undefined) !== isEntry(value ?? undefined)) {
      for (const device of this.#entering.get(id)) effects.devices.rematch.add(device);
      effects.entries.add(id);
    }
    if (service(old) === service(value)) return;
    effects.service.add(id);
    this.#markEntries(effects);
    for (const policy of this.#policies.accessPoints(id)) effects.steering.add(policy);
    for (const attached of this.#resources.attached(id)) {
      const resource = this.#resources.get(attached);
      if (resource !== undefined) this.#markWays(resource, effects);
    }
  }

  /** Gateways through which devices come in to go on to others. */
  isEntry(id: string): boolean {
    return this.#entering.get(id).size > 0 && isEntry(this.#world.gateways.get(id));
  }

  /** Those gateways know of all that the others carry. */
  #markEntries(effects: Effects): void {
    for (const id of this.#entering.keys()) if (this.isEntry(id)) effects.rebuild.add(id);
  }

  #takeSettings(value: WorldSettings, effects: Effects): void {
    if (value.timeZone !== this.#world.settings.timeZone) effects.rezone = true;
    this.#world.apply({ kind: 'settings', value });
    effects.resite = true;
    effects.settings = true;
    effects.common = true;
    for (const id of this.#world.gateways.keys()) {
      effects.rebuild.add(id);
      effects.interfaces.add(id);
    }
  }

  #takeDevice(change: WorldChange & { kind: 'device' }, effects: Effects): void {
    const { id, value } = change;
    const old = this.#world.devices.get(id);
    for (const [version, action] of [
      [old, 'delete'],
      [value, 'add'],
    ] as const) {
      if (version == null || version.native || version.entryGateway === null) continue;
      this.#entering[action](version.entryGateway, id);
      effects.entries.add(version.entryGateway);
    }
    if (old?.user != null) this.#devicesOf.delete(old.user, id);
    if (value?.user != null) this.#devicesOf.add(value.user, id);
    this.#world.apply(change);
    effects.devices.rematch.add(id);
    effects.devices.changed.add(id);
    this.#markPairs(id, effects);
  }

  #takeUser(change: WorldChange & { kind: 'user' }, effects: Effects): void {
    const { id, value } = change;
    for (const group of this.#world.users.get(id)?.groups ?? []) this.#usersOf.delete(group, id);
    for (const group of value?.groups ?? []) this.#usersOf.add(group, id);
    this.#world.apply(change);
    this.#rematchUser(id, effects);
  }

  /** Policies with another rule than before may hang on it or no longer, so they are taken as changed. */
  #takeRule(change: WorldChange & { kind: 'rule' }, effects: Effects): void {
    this.#world.apply(change);
    for (const id of [...this.#policies.withRule(change.id)]) {
      const policy = this.#policies.get(id);
      if (policy === undefined || !policy.allow) continue;
      this.#policies.set(id, policy);
      if (policy.allDevices) effects.universal.add(id);
      this.#rematchSources(policy, effects);
      for (const gateway of this.#touched.get(id)) effects.concern(gateway, id);
    }
  }

  /**
   * A resource matters to its own gateways, to those that carry the same addresses when it is denied, and to those that
   * lead to the rest of the internet.
   */
  #takeResource(change: WorldChange & { kind: 'resource' }, effects: Effects): void {
    const { id, value } = change;
    const old = this.#world.resources.get(id);
    this.#world.apply(change);
    this.#markResource(this.#resources.get(id), effects);
    this.#resources.set(id, value);
    this.#markResource(this.#resources.get(id), effects);
    for (const version of [old, value]) if (version != null) this.#markWays(version, effects);
    for (const gateway of this.#policies.accessPointGateways) effects.rebuild.add(gateway);
    this.#markEntries(effects);
  }

  /** Ways lead to the resource, or around it on the internet. */
  #markWays(resource: WorldResource, effects: Effects): void {
    for (const policy of this.#policies.of(resource)) effects.steering.add(policy);
    if (resource.type === 'INTERNET') return;
    for (const { range } of entriesOf(resource))
      for (const around of this.#resources.internetOverlapping(range))
        for (const policy of this.#policies.of(around.resource)) effects.steering.add(policy);
  }

  #markResource(resource: WorldResource | undefined, effects: Effects): void {
    if (resource === undefined) return;
    for (const gateway of resource.gateways) effects.rebuild.add(gateway);
    if (this.#policies.denies(resource)) this.#markOverlapping(resource.id, effects);
  }

  #markOverlapping(resource: string, effects: Effects): void {
    for (const { range } of this.#resources.entries(resource))
      for (const entry of this.#resources.overlapping(range))
        for (const gateway of entry.resource.gateways) effects.rebuild.add(gateway);
  }

  #takePolicy(id: string, value: WorldPolicy | null, effects: Effects): void {
    const old = this.#policies.get(id) ?? null;
    this.#policies.set(id, value);
    const versions = [old, value].filter((policy) => policy !== null);
    effects.steering.add(id);
    if (versions.some(({ allDevices }) => allDevices)) effects.universal.add(id);
    if (sources(old) !== sources(value)) for (const policy of versions) this.#rematchSources(policy, effects);
    for (const gateway of this.#touched.get(id)) effects.concern(gateway, id);
    if (destinations(old) !== destinations(value)) for (const policy of versions) this.#markPolicy(policy, effects);
  }

  #takeRelay(change: WorldChange & { kind: 'relay' }, effects: Effects): void {
    const { id, value } = change;
    const old = this.#world.relays.get(id);
    if (old !== undefined) this.#pairs.link(old, 'delete');
    if (value !== null) this.#pairs.link(value, 'add');
    this.#world.apply(change);
    for (const pair of [old, value]) if (pair != null) markPair(pair, effects);
  }

  #markPairs(agent: string, effects: Effects): void {
    for (const id of this.#pairs.withAgent(agent)) {
      const pair = this.#world.relays.get(id);
      if (pair !== undefined) markPair(pair, effects);
    }
  }

  #rematchSources(policy: WorldPolicy, effects: Effects): void {
    if (policy.type === 'SITETOSITE') {
      effects.resite = true;
      return;
    }
    if (policy.allDevices || policy.allUsers || policy.allGroups)
      for (const device of this.#world.devices.values())
        if (policy.allDevices || device.user !== null) effects.devices.rematch.add(device.id);
    for (const device of policy.devices) effects.devices.rematch.add(device);
    for (const user of policy.users) this.#rematchUser(user, effects);
    for (const group of policy.groups) for (const user of this.#usersOf.get(group)) this.#rematchUser(user, effects);
  }

  #rematchUser(user: string, effects: Effects): void {
    for (const device of this.#devicesOf.get(user)) effects.devices.rematch.add(device);
  }

  /** Gateways where the destinations of a policy are: an allow adds ports there, a deny may also cut other classes. */
  #markPolicy(policy: WorldPolicy, effects: Effects): void {
    if (policy.type === 'INTERNET') {
      for (const gateway of this.#policies.accessPointGateways) effects.concern(gateway, policy.id);
      if (isAccessPoint(policy)) for (const gateway of policy.gateways) effects.rebuild.add(gateway);
      return;
    }
    if (!policy.allow) this.#markEntries(effects);
    else for (const id of this.#entering.keys()) effects.concern(id, policy.id);
    if (policy.allResources) {
      for (const id of this.#world.gateways.keys()) {
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
}

/** The pair itself, and what its ends are told of it. */
function markPair({ id, a, b }: WorldRelay, effects: Effects): void {
  effects.pairs.add(id);
  for (const [end, other] of [
    [a, b],
    [b, a],
  ] as const) {
    effects.clients.add(end);
    effects.links.add(end);
    effects.devices.renew(other, end);
  }
}

/** Text that is equal when two versions of a gateway can carry the same. */
function service(gateway: WorldGateway | null): string {
  return gateway === null ? '' : `${gateway.intent === 'OFFLINE'} ${gateway.publicKey === null}`;
}

/** Text that is equal when two policies have the same sources under the same condition. */
function sources(policy: WorldPolicy | null): string {
  if (policy === null) return '';
  const { type, allow, rule, allUsers, allGroups, allDevices, users, groups, devices, sourceIps } = policy;
  const sites = type === 'SITETOSITE' ? [policy.gateways.length > 0, sourceIps] : null;
  return JSON.stringify([type, allow, rule, allUsers, allGroups, allDevices, users, groups, devices, sites]);
}

/** Text that is equal when two policies do the same to the same destinations. */
function destinations(policy: WorldPolicy | null): string {
  if (policy === null) return '';
  const { allow, type, allResources, resources, mode } = policy;
  return JSON.stringify([allow, type, allResources, resources, type === 'INTERNET' ? [mode, policy.gateways] : null]);
}
