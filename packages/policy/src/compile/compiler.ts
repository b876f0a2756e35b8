import type { StateDelta, StateItem } from '@sallyport/contract/channel';
import { addressSpaceOf } from '../addresses.ts';
import { isAlive } from '../matching.ts';
import { earliest } from '../moments.ts';
import type { AccessQuery, Verdict, WorldChange, WorldSettings } from '../types.ts';
import { MutableWorld, World } from '../world.ts';
import type { Audience } from './audience/audiences.ts';
import { Effects } from './audience/effects.ts';
import { deviceMatches, Members, siteMatches } from './audience/members.ts';
import { Decider } from './decider.ts';
import { DeviceStates } from './device/device-states.ts';
import type { Passing } from './gateway/destinations.ts';
import { GatewayState } from './gateway/gateway-state.ts';
import { entryOf } from './indexes/facts.ts';
import { computed, Multimap } from './indexes/maps.ts';
import { PolicyIndex } from './indexes/policy-index.ts';
import { ResourceIndex } from './indexes/resource-index.ts';
import { type Site, sitesOf } from './indexes/sites.ts';
import { assertReadable, Intake } from './intake.ts';
import { Links } from './routing/links.ts';
import { Pairs } from './routing/pairs.ts';
import { Tenant } from './routing/tenant.ts';
import { TransitFinder } from './routing/transit-finder.ts';

/**
 * Desired states of all gateways of a tenant, kept up with changes of its world and with the time. The states are a
 * function of world and time alone: any way to the same world and moment leads to the same items and hashes.
 */
export class TenantCompiler {
  readonly #world: MutableWorld;
  readonly #policies: PolicyIndex;
  readonly #resources = new ResourceIndex();
  readonly #states = new Map<string, GatewayState>();
  readonly #devices = new Members('device');
  readonly #siteMembers = new Members('site');
  readonly #touched = new Multimap();
  readonly #intake: Intake;
  readonly #decider: Decider;
  readonly #tenant: Tenant;
  readonly #pairs: Pairs;
  readonly #links: Links;
  readonly #transitFinder: TransitFinder;
  readonly #clients: DeviceStates;
  #sites: ReadonlyMap<string, Site> = new Map();
  #now = Number.NEGATIVE_INFINITY;

  constructor(settings: WorldSettings) {
    this.#world = MutableWorld.copyOf(World.empty(settings));
    this.#policies = new PolicyIndex(this.#world);
    this.#tenant = new Tenant(this.#world, this.#policies, this.#resources, this.#states, addressSpaceOf(settings));
    this.#pairs = new Pairs(this.#tenant);
    this.#intake = new Intake(this.#world, this.#policies, this.#resources, this.#touched, this.#pairs);
    this.#decider = new Decider(this.#world, this.#policies, this.#resources);
    this.#links = new Links(this.#tenant, this.#pairs);
    this.#transitFinder = new TransitFinder(
      this.#tenant,
      this.#links,
      this.#siteMembers.audiences,
      this.#devices.audiences,
    );
    this.#clients = new DeviceStates(this.#tenant, this.#pairs, (id) => this.#devices.audiences.of(id));
  }

  get world(): World {
    return this.#world;
  }

  /** Keeps the state of a native device up from here on; its owner is whoever follows it. */
  follow(device: string): void {
    this.#clients.follow(device);
  }

  unfollow(device: string): void {
    this.#clients.unfollow(device);
  }

  /** Items of a gateway or of a followed device; none when it is unknown. */
  items(agent: string): StateItem[] {
    return this.#states.get(agent)?.store.all() ?? this.#clients.items(agent);
  }

  /** State hash of the same, as `StateHash` over its items. */
  hash(agent: string): string {
    return this.#states.get(agent)?.store.hash ?? this.#clients.hash(agent);
  }

  /** Answers as `evaluate` does on `world`, but for the steps, in microseconds. */
  decide(query: AccessQuery): Verdict {
    return this.#decider.decide(query);
  }

  /**
   * Epoch milliseconds at which something changes by itself, or is to be looked at again: then `advance` is due. What
   * closes, closes without it, by the expiry of the items.
   */
  nextDeadline(): number | null {
    return earliest(this.#devices.admissions.nextDeadline(), this.#siteMembers.admissions.nextDeadline());
  }

  /** Follows the time. Returns what changed for each gateway and followed device whose state is another one now. */
  advance(now: number): ReadonlyMap<string, StateDelta> {
    return this.apply([], now);
  }

  /**
   * Follows changes, all at once, and the time. Returns what changed for each gateway and followed device whose state is
   * another one now: for a new one everything, for a removed one nothing. Throws RangeError, and follows none, when an
   * address is malformed.
   */
  apply(changes: readonly WorldChange[], now: number): ReadonlyMap<string, StateDelta> {
    const effects = new Effects();
    // Later changes of one object replace earlier ones.
    const last = new Map(
      changes.map((change) => [change.kind === 'settings' ? '' : `${change.kind}/${change.id}`, change]),
    );
    for (const change of last.values()) assertReadable(change);
    for (const change of last.values())
      if (change.kind === 'gateway') this.#takeGateway(change, effects);
      else this.#intake.take(change, effects);
    if (last.has('')) this.#tenant.addressSpace = addressSpaceOf(this.#world.settings);
    this.#takeTime(now, effects);
    this.#cutSites(effects);
    for (const id of effects.entries)
      if (this.#states.get(id)?.isEntry !== this.#intake.isEntry(id)) effects.rebuild.add(id);
    this.#decider.follow(last.values(), effects);

    this.#regroup(effects);
    this.#renewInterfaces(effects);
    for (const [gateway, policies] of this.#renewDestinations(effects)) this.#placeAgain(gateway, policies, effects);
    this.#placeFounded(effects);
    this.#renewMembers(effects);
    this.#renewLinks(effects);
    this.#renewCommon(effects);
    this.#pairs.renew(effects.pairs, effects.touched);
    return new Map([...this.#settle(effects), ...this.#clients.renew(effects)]);
  }

  #takeGateway(change: WorldChange & { kind: 'gateway' }, effects: Effects): void {
    const { id, value } = change;
    const old = this.#world.gateways.get(id);
    this.#intake.takeGateway(change, effects);
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

  /** Outcomes of rules that are no longer sure. A clock that was put back makes all that hang on the time unsure. */
  #takeTime(now: number, effects: Effects): void {
    const back = now < this.#now || effects.rezone;
    this.#now = now;
    for (const { kind, admissions } of [this.#devices, this.#siteMembers])
      for (const member of back ? admissions.takeTimed() : admissions.takeDue(now))
        effects.of(kind).rematch.add(member);
  }

  #cutSites(effects: Effects): void {
    if (!effects.resite) return;
    const before = this.#sites;
    const policies = [...this.#policies.sites].flatMap((id) => this.#policies.get(id) ?? []);
    this.#sites = sitesOf(policies, this.#tenant.addressSpace.reserved);
    for (const id of new Set([...before.keys(), ...this.#sites.keys()])) {
      effects.sites.rematch.add(id);
      if (before.get(id)?.prefixes.join() !== this.#sites.get(id)?.prefixes.join()) effects.sites.changed.add(id);
    }
  }

  #regroup(effects: Effects): void {
    const zone = this.#world.settings.timeZone;
    this.#devices.regroup(
      effects,
      this.#states,
      (id, ask) => {
        const device = this.#world.devices.get(id);
        if (device === undefined || !isAlive(this.#world, device)) return null;
        return deviceMatches(this.#world, this.#policies, device, (rule, inputs) => ask(rule, inputs, this.#now, zone));
      },
      (id) => {
        const device = this.#world.devices.get(id);
        return device === undefined ? null : entryOf(this.#world, device);
      },
    );
    this.#siteMembers.regroup(
      effects,
      this.#states,
      (id, ask) => {
        const policies = this.#sites.get(id)?.policies;
        if (policies === undefined) return null;
        return siteMatches(this.#world, this.#policies, policies, (rule, inputs) => ask(rule, inputs, this.#now, zone));
      },
      () => null,
    );
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
        ? state.rebuild(gateway, this.#resources, this.#tenant.addressSpace, this.#passing(id))
        : new Set([...policies].filter((policy) => state.refreshPolicy(policy)));
      for (const policy of changed) this.#touched[state.touchedBy(policy) ? 'add' : 'delete'](policy, id);
      outcome.set(id, changed.union(policies));
    }
    return outcome;
  }

  /** What a gateway passes on for the devices that come in through it; null when none do. */
  #passing(id: string): Passing | null {
    if (!this.#intake.isEntry(id)) return null;
    return ({ gateways }) => gateways.some((other) => other !== id && this.#tenant.usable(other) !== null);
  }

  #placeAgain(gateway: string, policies: ReadonlySet<string>, effects: Effects): void {
    const state = this.#states.get(gateway);
    if (state === undefined) return;
    effects.touched.add(gateway);
    if (policies.size === 0) return;
    const everybody = policies.values().some((p) => effects.universal.has(p) || this.#policies.universal.has(p));
    state.invalidate(policies, everybody);
    for (const { audiences } of [this.#devices, this.#siteMembers]) {
      const concerned = everybody
        ? audiences.all()
        : new Set(policies.values().flatMap((policy) => audiences.withPolicy(policy)));
      for (const audience of concerned) this.#place(state, audience, effects);
    }
  }

  #placeFounded(effects: Effects): void {
    for (const audience of effects.founded) {
      const universal = audience.kind === 'device' ? this.#policies.universal : [];
      for (const policy of [...audience.matches.map((match) => match.policy), ...universal])
        for (const gateway of this.#touched.get(policy)) {
          const state = this.#states.get(gateway);
          if (state !== undefined && !audience.gateways.has(gateway)) this.#place(state, audience, effects);
        }
    }
  }

  #place(state: GatewayState, audience: Audience, effects: Effects): void {
    effects.placed.add(audience);
    if (!state.place(audience)) return;
    for (const member of audience.members) effects.of(audience.kind).renew(state.id, member);
  }

  #renewMembers(effects: Effects): void {
    for (const { kind, audiences } of [this.#devices, this.#siteMembers]) {
      const { moved, renewed } = effects.of(kind);
      for (const id of moved)
        for (const gateway of audiences.of(id)?.gateways ?? []) effects.of(kind).renew(gateway, id);
      for (const [gateway, members] of renewed) {
        effects.touched.add(gateway);
        if (kind === 'device') this.#markPairs(gateway, members, effects);
        for (const id of members) this.#setMember(kind, this.#states.get(gateway), id, audiences.of(id));
      }
    }
  }

  #setMember(kind: 'device' | 'site', state: GatewayState | undefined, id: string, audience?: Audience): void {
    if (state === undefined) return;
    if (kind === 'site') state.setSite(id, this.#sites.get(id) ?? null, audience);
    else {
      const relay = this.#pairs.between(id, state.id)[0]?.endpoint ?? null;
      state.setDevice(id, this.#world.devices.get(id) ?? null, audience, relay);
    }
  }

  /** A pair is relayed, and its device told so, while the gateway grants anything to the device. */
  #markPairs(gateway: string, devices: ReadonlySet<string>, effects: Effects): void {
    for (const id of this.#pairs.withAgent(gateway)) {
      const { a, b } = this.#world.relays.get(id) ?? { a: '', b: '' };
      for (const end of [a, b])
        if (devices.has(end)) {
          effects.pairs.add(id);
          effects.clients.add(end);
        }
    }
  }

  #renewLinks(effects: Effects): void {
    this.#transitFinder.renew(effects, this.#sites);
    for (const gateway of this.#links.renew(effects.rebuild, effects.links)) {
      effects.touched.add(gateway);
      for (const pair of this.#pairs.withAgent(gateway)) effects.pairs.add(pair);
    }
  }

  #renewCommon(effects: Effects): void {
    if (!effects.common) return;
    const common = this.#tenant.common();
    for (const [id, { store }] of this.#states) {
      store.replace(
        'common',
        common.filter((item) => item.kind === 'beacon' || item.id !== id),
      );
      effects.touched.add(id);
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
