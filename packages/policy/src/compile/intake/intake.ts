import { addressSpaceOf, prefixRange } from '../../addresses.ts';
import { isAccessPoint } from '../../matching.ts';
import type { WorldChange, WorldGateway, WorldPolicy, WorldRelay, WorldResource, WorldSettings } from '../../types.ts';
import type { MutableWorld } from '../../world.ts';
import { entriesOf } from '../indexes/entries.ts';
import type { EntryGateways } from '../indexes/entry-gateways.ts';
import { isEntry, relayPoint } from '../indexes/facts.ts';
import { Multimap } from '../indexes/maps.ts';
import { deniesByName, type PolicyIndex } from '../indexes/policy-index.ts';
import type { ResourceIndex } from '../indexes/resource-index.ts';
import type { SiteIndex } from '../indexes/sites.ts';
import type { Pairs } from '../routing/pairs.ts';
import { type Affected, AffectedDraft } from './affected.ts';

/** Throws RangeError when a change has a malformed address. */
export function assertReadable(change: WorldChange): void {
  switch (change.kind) {
    case 'settings':
      addressSpaceOf(change.value);
      return;
    case 'resource':
      for (const { prefix } of change.value?.addresses ?? []) prefixRange(prefix);
      return;
    case 'policy':
      for (const prefix of change.value?.sourceIps ?? []) prefixRange(prefix);
      return;
    case 'gateway':
    case 'device':
    case 'user':
    case 'group':
    case 'rule':
    case 'relay':
      return;
    default:
      change satisfies never;
  }
}

/** Indexes that the intake keeps up. */
interface Indexes {
  readonly policies: PolicyIndex;
  readonly resources: ResourceIndex;
  readonly sites: SiteIndex;
  readonly entryGateways: EntryGateways;
  readonly pairs: Pairs;
}

/** Takes changes into the world and its indexes, and says what they affect. */
export class Intake {
  readonly #world: MutableWorld;
  readonly #policies: PolicyIndex;
  readonly #resources: ResourceIndex;
  readonly #sites: SiteIndex;
  readonly #entryGateways: EntryGateways;
  readonly #pairs: Pairs;
  readonly #decidingAt: (policy: string) => ReadonlySet<string>;
  readonly #devicesOf = new Multimap();
  readonly #usersOf = new Multimap();

  /** `decidingAt` returns the gateways where a policy decides anything at present. */
  constructor(world: MutableWorld, indexes: Indexes, decidingAt: (policy: string) => ReadonlySet<string>) {
    this.#world = world;
    this.#policies = indexes.policies;
    this.#resources = indexes.resources;
    this.#sites = indexes.sites;
    this.#entryGateways = indexes.entryGateways;
    this.#pairs = indexes.pairs;
    this.#decidingAt = decidingAt;
  }

  /**
   * Takes all changes. Of several changes to one object the last one counts. Throws RangeError, and takes none, when an
   * address is malformed.
   */
  take(changes: Iterable<WorldChange>): Affected {
    const last = new Map<string, WorldChange>();
    for (const change of changes) last.set(change.kind === 'settings' ? '' : `${change.kind}/${change.id}`, change);
    for (const change of last.values()) assertReadable(change);
    const draft = new AffectedDraft();
    for (const change of last.values()) this.#take(change, draft);
    if (draft.resite) this.#recomputeSites(draft);
    return draft;
  }

  #take(change: WorldChange, draft: AffectedDraft): void {
    switch (change.kind) {
      case 'gateway':
        this.#takeGateway(change, draft);
        return;
      case 'settings':
        this.#takeSettings(change.value, draft);
        return;
      case 'device':
        this.#takeDevice(change, draft);
        return;
      case 'user':
        this.#takeUser(change, draft);
        return;
      case 'group':
        this.#world.apply(change);
        for (const user of this.#usersOf.get(change.id)) this.#rematchUser(user, draft);
        return;
      case 'rule':
        this.#takeRule(change, draft);
        return;
      case 'resource':
        this.#takeResource(change, draft);
        return;
      case 'policy':
        this.#world.apply(change);
        this.#takePolicy(change.id, change.value, draft);
        return;
      case 'relay':
        this.#takeRelay(change, draft);
        return;
      default:
        change satisfies never;
    }
  }

  #takeGateway(change: WorldChange & { kind: 'gateway' }, draft: AffectedDraft): void {
    const { id, value } = change;
    const old = this.#world.gateways.get(id) ?? null;
    this.#world.apply(change);
    draft.gateways.items.add(id);
    draft.routes.peers.add(id);
    draft.routes.neighbours.add(id);
    this.#markPairs(id, draft);
    if (value !== null && (old === null || isOffline(old) !== isOffline(value))) draft.gateways.rebuild.add(id);
    if (relayPoint(old)?.endpoint !== relayPoint(value)?.endpoint || old === null) draft.gateways.common = true;
    if (isEntry(old ?? undefined) !== isEntry(value ?? undefined)) {
      for (const device of this.#entryGateways.devicesOf(id)) draft.devices.members.add(device);
      draft.gateways.entries.add(id);
    }
    if (service(old) === service(value)) return;
    draft.routes.service.add(id);
    this.#markEntryGateways(draft);
    for (const policy of this.#policies.accessPoints(id)) draft.routes.steering.add(policy);
    for (const attached of this.#resources.attached(id)) {
      const resource = this.#resources.get(attached);
      if (resource !== undefined) this.#markSteering(resource, draft);
    }
  }

  /** An entry gateway has the destinations of all other gateways. */
  #markEntryGateways(draft: AffectedDraft): void {
    for (const id of this.#entryGateways.named()) if (this.#entryGateways.has(id)) draft.gateways.rebuild.add(id);
  }

  #takeSettings(value: WorldSettings, draft: AffectedDraft): void {
    const old = this.#world.settings;
    if (value.timeZone !== old.timeZone) draft.timeZone = true;
    this.#world.apply({ kind: 'settings', value });
    // Processes of the controller come and go, which concerns nothing but the beacons of each agent.
    const onlyBeacons = JSON.stringify({ ...old, beacons: value.beacons }) === JSON.stringify(value);
    if (onlyBeacons && JSON.stringify(old.beacons) !== JSON.stringify(value.beacons)) {
      draft.gateways.common = true;
      return;
    }
    draft.resite = true;
    draft.routes.settings = true;
    draft.gateways.common = true;
    for (const id of this.#world.gateways.keys()) {
      draft.gateways.rebuild.add(id);
      draft.gateways.items.add(id);
    }
  }

  #takeDevice(change: WorldChange & { kind: 'device' }, draft: AffectedDraft): void {
    const { id, value } = change;
    const old = this.#world.devices.get(id) ?? null;
    for (const [version, action] of [
      [old, 'delete'],
      [value, 'add'],
    ] as const) {
      const entry = version === null ? null : this.#entryGateways.link(version, action);
      if (entry !== null) draft.gateways.entries.add(entry);
      if (version !== null && version.user !== null) this.#devicesOf[action](version.user, id);
    }
    this.#world.apply(change);
    draft.devices.members.add(id);
    draft.devices.changed.add(id);
    this.#markPairs(id, draft);
  }

  #takeUser(change: WorldChange & { kind: 'user' }, draft: AffectedDraft): void {
    const { id, value } = change;
    for (const group of this.#world.users.get(id)?.groups ?? []) this.#usersOf.delete(group, id);
    for (const group of value?.groups ?? []) this.#usersOf.add(group, id);
    this.#world.apply(change);
    this.#rematchUser(id, draft);
  }

  /** A policy whose rule changed may depend on it now, or no longer, so it is taken as changed. */
  #takeRule(change: WorldChange & { kind: 'rule' }, draft: AffectedDraft): void {
    this.#world.apply(change);
    for (const id of [...this.#policies.withRule(change.id)]) {
      const policy = this.#policies.get(id);
      if (policy === undefined || !policy.allow) continue;
      this.#policies.set(id, policy);
      if (policy.allDevices) draft.routes.universal.add(id);
      this.#rematchSources(policy, draft);
      for (const gateway of this.#decidingAt(id)) draft.gateways.policies.add(gateway, id);
    }
  }

  /**
   * A resource affects its own gateways, gateways with the same addresses when it is denied, and gateways that lead to
   * the rest of the internet.
   */
  #takeResource(change: WorldChange & { kind: 'resource' }, draft: AffectedDraft): void {
    const { id, value } = change;
    const old = this.#world.resources.get(id);
    this.#world.apply(change);
    draft.destinations = true;
    this.#markResource(this.#resources.get(id), draft);
    this.#resources.set(id, value);
    this.#markResource(this.#resources.get(id), draft);
    for (const version of [old, value]) if (version != null) this.#markSteering(version, draft);
    for (const gateway of this.#policies.accessPointGateways) draft.gateways.rebuild.add(gateway);
    this.#markEntryGateways(draft);
    for (const version of [old, value]) if (version != null) this.#markDenied(version, draft);
  }

  /** Marks gateways whose names come, go, or may lead to other addresses. */
  #markDenied(resource: WorldResource, draft: AffectedDraft): void {
    if (resource.addresses.some(({ name }) => name !== undefined))
      for (const gateway of resource.gateways) draft.gateways.items.add(gateway);
    if (this.#policies.denies(resource)) this.#markNaming(draft);
  }

  #markNaming(draft: AffectedDraft): void {
    for (const gateway of this.#resources.naming) draft.gateways.items.add(gateway);
  }

  /** Marks the policies that lead to a resource, or to internet resources around it. */
  #markSteering(resource: WorldResource, draft: AffectedDraft): void {
    for (const policy of this.#policies.of(resource)) draft.routes.steering.add(policy);
    if (resource.type === 'INTERNET') return;
    for (const { range } of entriesOf(resource))
      for (const around of this.#resources.internetOverlapping(range))
        for (const policy of this.#policies.of(around.resource)) draft.routes.steering.add(policy);
  }

  #markResource(resource: WorldResource | undefined, draft: AffectedDraft): void {
    if (resource === undefined) return;
    for (const gateway of resource.gateways) draft.gateways.rebuild.add(gateway);
    if (this.#policies.denies(resource)) this.#markOverlapping(resource.id, draft);
  }

  #markOverlapping(resource: string, draft: AffectedDraft): void {
    for (const { range } of this.#resources.entries(resource))
      for (const entry of this.#resources.overlapping(range))
        for (const gateway of entry.resource.gateways) draft.gateways.rebuild.add(gateway);
  }

  #takePolicy(id: string, value: WorldPolicy | null, draft: AffectedDraft): void {
    const old = this.#policies.get(id) ?? null;
    this.#policies.set(id, value);
    draft.destinations = true;
    const versions = [old, value].filter((policy) => policy !== null);
    draft.routes.steering.add(id);
    if (versions.some(({ allDevices }) => allDevices)) draft.routes.universal.add(id);
    if (sources(old) !== sources(value)) for (const policy of versions) this.#rematchSources(policy, draft);
    for (const gateway of this.#decidingAt(id)) draft.gateways.policies.add(gateway, id);
    if (destinations(old) !== destinations(value)) for (const policy of versions) this.#markPolicy(policy, draft);
    if (versions.some(deniesByName)) this.#markNaming(draft);
  }

  #takeRelay(change: WorldChange & { kind: 'relay' }, draft: AffectedDraft): void {
    const { id, value } = change;
    const old = this.#world.relays.get(id);
    if (old !== undefined) this.#pairs.link(old, 'delete');
    if (value !== null) this.#pairs.link(value, 'add');
    this.#world.apply(change);
    for (const pair of [old, value]) if (pair != null) markPair(pair, draft);
  }

  #markPairs(agent: string, draft: AffectedDraft): void {
    for (const id of this.#pairs.withAgent(agent)) {
      const pair = this.#world.relays.get(id);
      if (pair !== undefined) markPair(pair, draft);
    }
  }

  #recomputeSites({ sites }: AffectedDraft): void {
    const policies = [...this.#policies.sites].flatMap((id) => this.#policies.get(id) ?? []);
    const { members, changed } = this.#sites.recompute(policies, addressSpaceOf(this.#world.settings).reserved);
    for (const id of members) sites.members.add(id);
    for (const id of changed) sites.changed.add(id);
  }

  #rematchSources(policy: WorldPolicy, draft: AffectedDraft): void {
    if (policy.type === 'SITETOSITE') {
      draft.resite = true;
      return;
    }
    if (policy.allDevices || policy.allUsers || policy.allGroups)
      for (const device of this.#world.devices.values())
        if (policy.allDevices || device.user !== null) draft.devices.members.add(device.id);
    for (const device of policy.devices) draft.devices.members.add(device);
    for (const user of policy.users) this.#rematchUser(user, draft);
    for (const group of policy.groups) for (const user of this.#usersOf.get(group)) this.#rematchUser(user, draft);
  }

  #rematchUser(user: string, draft: AffectedDraft): void {
    for (const device of this.#devicesOf.get(user)) draft.devices.members.add(device);
  }

  /** Marks the gateways with destinations of a policy. An allow adds ports there; a deny may also cut other classes. */
  #markPolicy(policy: WorldPolicy, draft: AffectedDraft): void {
    if (policy.type === 'INTERNET') {
      for (const gateway of this.#policies.accessPointGateways) draft.gateways.policies.add(gateway, policy.id);
      if (isAccessPoint(policy)) for (const gateway of policy.gateways) draft.gateways.rebuild.add(gateway);
      return;
    }
    if (!policy.allow) this.#markEntryGateways(draft);
    else for (const id of this.#entryGateways.named()) draft.gateways.policies.add(id, policy.id);
    if (policy.allResources) {
      for (const id of this.#world.gateways.keys()) {
        if (policy.allow) draft.gateways.policies.add(id, policy.id);
        else draft.gateways.rebuild.add(id);
      }
      return;
    }
    for (const id of policy.resources) {
      if (!policy.allow) this.#markOverlapping(id, draft);
      else
        for (const gateway of this.#resources.get(id)?.gateways ?? []) draft.gateways.policies.add(gateway, policy.id);
    }
  }
}

/** Marks a pair, and everything that its ends are told about it. */
function markPair({ id, a, b }: WorldRelay, draft: AffectedDraft): void {
  draft.relays.pairs.add(id);
  for (const [end, other] of [
    [a, b],
    [b, a],
  ] as const) {
    draft.relays.ends.add(end);
    draft.routes.neighbours.add(end);
    draft.relays.items.add(other, end);
  }
}

function isOffline({ intent }: WorldGateway): boolean {
  return intent === 'OFFLINE';
}

/** Returns a text that is equal for two versions of a gateway that can carry the same. */
function service(gateway: WorldGateway | null): string {
  return gateway === null ? '' : `${isOffline(gateway)} ${gateway.publicKey === null}`;
}

/** Returns a text that is equal for two policies with the same sources under the same condition. */
function sources(policy: WorldPolicy | null): string {
  if (policy === null) return '';
  const { type, allow, rule, allUsers, allGroups, allDevices, users, groups, devices, sourceIps } = policy;
  const sites = type === 'SITETOSITE' ? [policy.gateways.length > 0, sourceIps] : null;
  return JSON.stringify([type, allow, rule, allUsers, allGroups, allDevices, users, groups, devices, sites]);
}

/** Returns a text that is equal for two policies that do the same to the same destinations. */
function destinations(policy: WorldPolicy | null): string {
  if (policy === null) return '';
  const { allow, type, allResources, resources, mode } = policy;
  return JSON.stringify([allow, type, allResources, resources, type === 'INTERNET' ? [mode, policy.gateways] : null]);
}
