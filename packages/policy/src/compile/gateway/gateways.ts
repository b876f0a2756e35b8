import type { DeviceItem } from '@sallyport/contract/channel';
import { compareRanges, formatRange } from '@sallyport/ip';
import { addressSpaceOf } from '../../addresses.ts';
import type { WorldGateway } from '../../types.ts';
import type { World } from '../../world.ts';
import type { Audience, Audiences, MemberKind } from '../audience/audiences.ts';
import type { Regrouped } from '../audience/members.ts';
import { beaconItems } from '../indexes/beacons.ts';
import type { EntryGateways } from '../indexes/entry-gateways.ts';
import { isUsable, relayPoints } from '../indexes/facts.ts';
import { ItemHashes } from '../indexes/item-hashes.ts';
import type { GatewayChange } from '../indexes/items.ts';
import { computed, Multimap, type ReadonlyMultimap } from '../indexes/maps.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';
import type { ResourceIndex } from '../indexes/resource-index.ts';
import type { SiteIndex } from '../indexes/sites.ts';
import { Steps } from '../indexes/steps.ts';
import type { Passing } from './destinations.ts';
import { GatewayState } from './gateway-state.ts';

/** Changes that concern gateways themselves. */
export interface GatewayChanges {
  /** Gateways whose own item may change. Removed gateways are among them. */
  readonly items: ReadonlySet<string>;
  /** Gateways whose destinations may change. */
  readonly rebuild: ReadonlySet<string>;
  /** Gateways that may have become an entry gateway, or ceased to be one. */
  readonly entries: ReadonlySet<string>;
  /** Policies that may have another outcome, by gateway. */
  readonly policies: ReadonlyMultimap;
  /** Whether the items that all agents get may have changed. */
  readonly common: boolean;
}

/** Gateways with renewed destinations. No audience is placed there yet. */
export interface Rebuilt {
  /** Gateways whose items may have changed. */
  readonly touched: ReadonlySet<string>;
  /** Gateways whose destinations were built again. */
  readonly destinations: ReadonlySet<string>;
  /** Policies that may have another outcome, by gateway. */
  readonly outcomes: ReadonlyMap<string, Outcomes>;
  /** Whether the items that all agents get were renewed. */
  readonly common: boolean;
}

interface Outcomes {
  readonly policies: ReadonlySet<string>;
  /** Whether one of them applies to every device, or did before. */
  readonly everyDevice: boolean;
}

/** Audiences that were placed at gateways. The items of their members are still the former ones. */
export interface Placed {
  readonly audiences: ReadonlySet<Audience>;
  /** Members whose item may have changed, by gateway. */
  readonly items: Readonly<Record<MemberKind, ReadonlyMultimap>>;
}

/** Gateways whose items about members are renewed. */
export interface Shown {
  /** Gateways whose items may have changed. */
  readonly showing: ReadonlySet<string>;
  /** Devices whose item was renewed, by gateway. */
  readonly devices: ReadonlyMultimap;
}

/** Returns where a gateway relays for a device, or null. */
export type RelayOf = (device: string, gateway: string) => string | null;

/** The compiled states of all gateways of a tenant. */
export class Gateways {
  readonly #world: World;
  readonly #policies: PolicyIndex;
  readonly #resources: ResourceIndex;
  readonly #sites: SiteIndex;
  readonly #entryGateways: EntryGateways;
  readonly #states = new Map<string, GatewayState>();
  /** Gateways by policy that decides something there. */
  readonly #deciding = new Multimap();
  readonly #hashes = new ItemHashes();

  constructor(
    world: World,
    policies: PolicyIndex,
    resources: ResourceIndex,
    sites: SiteIndex,
    entryGateways: EntryGateways,
  ) {
    this.#world = world;
    this.#policies = policies;
    this.#resources = resources;
    this.#sites = sites;
    this.#entryGateways = entryGateways;
  }

  /** The states by gateway id. */
  get states(): ReadonlyMap<string, GatewayState> {
    return this.#states;
  }

  /** Returns the gateways where a policy decides anything. */
  decidingAt(policy: string): ReadonlySet<string> {
    return this.#deciding.get(policy);
  }

  /** Adds and removes states, and renews their own items and their destinations. */
  rebuild(changes: GatewayChanges, universal: ReadonlySet<string>): Rebuilt {
    const denied = this.#deniedRanges(changes.items);
    for (const id of changes.items) this.#renewItem(id, this.#resources.hasNames(id) ? denied : []);
    const entries = [...changes.entries].filter((id) => this.#states.get(id)?.isEntry !== this.#entryGateways.has(id));
    const destinations = new Set([...changes.rebuild, ...entries]);
    const outcomes = new Map<string, Outcomes>();
    for (const id of new Set([...destinations, ...changes.policies.keys()])) {
      const policies = this.#renewDestinations(id, destinations.has(id), changes.policies.get(id));
      if (policies === null) continue;
      const everyDevice = policies
        .values()
        .some((policy) => universal.has(policy) || this.#policies.universal.has(policy));
      outcomes.set(id, { policies, everyDevice });
    }
    if (changes.common) this.#renewCommon();
    const touched = new Set([...changes.items, ...outcomes.keys(), ...(changes.common ? this.#states.keys() : [])]);
    return { touched, destinations, outcomes, common: changes.common };
  }

  /** Places the audiences whose access may have changed at the gateways where it may have changed. */
  *place(rebuilt: Rebuilt, devices: Regrouped<'device'>, sites: Regrouped<'site'>): Generator<null, Placed> {
    const placement = new Placement();
    const steps = new Steps();
    for (const { dissolved } of [devices, sites])
      for (const audience of dissolved)
        for (const gateway of [...audience.gateways]) this.#states.get(gateway)?.remove(audience);
    for (const [gateway, outcomes] of rebuilt.outcomes) {
      const state = this.#states.get(gateway);
      if (state === undefined || outcomes.policies.size === 0) continue;
      state.invalidate(outcomes.policies, outcomes.everyDevice);
      for (const { audiences } of [devices, sites])
        for (const audience of audiencesOf(outcomes, audiences))
          if (steps.done(placement.place(state, audience))) yield null;
    }
    for (const { founded } of [devices, sites])
      for (const audience of founded)
        for (const state of this.#statesFor(audience))
          if (!audience.gateways.has(state.id) && steps.done(placement.place(state, audience))) yield null;
    return placement;
  }

  /**
   * Renews the items about members. `relayItems`: devices of which a gateway may be told another relay, by gateway;
   * `relayOf` says which.
   */
  *show(
    placed: Placed,
    devices: Regrouped<'device'>,
    sites: Regrouped<'site'>,
    relayItems: ReadonlyMultimap,
    relayOf: RelayOf,
  ): Generator<null, Shown> {
    const shownDevices = new Multimap();
    const steps = new Steps();
    const concerned = yield* gatewaysOf(devices, [devices.left, placed.items.device, relayItems]);
    for (const [id, gateways] of concerned) {
      this.#showDevice(id, gateways, devices.audiences.of(id), relayOf);
      for (const gateway of gateways) shownDevices.add(gateway, id);
      if (steps.done(gateways.size)) yield null;
    }
    const shownSites = Multimap.union([sites.left, placed.items.site, arrived(sites)]);
    for (const [gateway, ids] of shownSites.entries())
      for (const id of ids) this.#states.get(gateway)?.setSite(id, this.#sites.get(id) ?? null, sites.audiences.of(id));
    return { showing: new Set([...shownDevices.keys(), ...shownSites.keys()]), devices: shownDevices };
  }

  /** Device by device: gateways then share its item, which is compared and hashed once. */
  #showDevice(id: string, gateways: ReadonlySet<string>, audience: Audience | undefined, relayOf: RelayOf): void {
    const device = this.#world.devices.get(id) ?? null;
    const [first = ''] = audience?.gateways ?? [];
    const shown = this.#states.get(first)?.store.get(`device/${id}`);
    let alike: DeviceItem | null = shown?.kind === 'device' ? shown : null;
    for (const gateway of gateways)
      alike = this.#states.get(gateway)?.setDevice(id, device, audience, relayOf(id, gateway), alike) ?? alike;
  }

  /** Ends a change at some gateways. Returns what changed for each of them, if anything did. */
  *settle(ids: Iterable<string>): Generator<null, Map<string, GatewayChange>> {
    const deltas = new Map<string, GatewayChange>();
    const steps = new Steps();
    for (const id of ids) {
      const delta = this.#states.get(id)?.settle() ?? null;
      if (delta !== null) deltas.set(id, delta);
      if (steps.done(delta === null ? 1 : delta.delta.upserts.length + delta.delta.removes.length)) yield null;
    }
    return deltas;
  }

  /** Returns the addresses that a policy denies by name, when one of the gateways carries names. */
  #deniedRanges(gateways: ReadonlySet<string>): string[] {
    if (![...gateways].some((id) => this.#resources.hasNames(id))) return [];
    const ranges = this.#policies
      .denyingByName()
      .flatMap(({ resources, type }) => [...resources].flatMap((id) => this.#resources.realRanges(id, type)));
    return [...new Set(ranges.sort(compareRanges).map(formatRange))];
  }

  #renewItem(id: string, deniedRanges: readonly string[]): void {
    const gateway = this.#world.gateways.get(id);
    if (gateway === undefined) this.#remove(id);
    else
      computed(this.#states, id, () => new GatewayState(id, this.#policies, this.#hashes)).renewItem(
        gateway,
        this.#world.settings,
        deniedRanges,
      );
  }

  #remove(id: string): void {
    const state = this.#states.get(id);
    if (state === undefined) return;
    for (const policy of state.touching) this.#deciding.delete(policy, id);
    state.vacate();
    this.#states.delete(id);
  }

  /** Returns the policies that may have another outcome at a gateway; null for a gateway that does not exist. */
  #renewDestinations(id: string, rebuild: boolean, policies: ReadonlySet<string>): ReadonlySet<string> | null {
    const [state, gateway] = [this.#states.get(id), this.#world.gateways.get(id)];
    if (state === undefined || gateway === undefined) return null;
    for (const policy of policies) state.forget(policy);
    const changed = rebuild
      ? state.rebuild(gateway, this.#resources, addressSpaceOf(this.#world.settings), this.#passing(gateway))
      : new Set([...policies].filter((policy) => state.refreshPolicy(policy)));
    for (const policy of changed) this.#deciding[state.touchedBy(policy) ? 'add' : 'delete'](policy, id);
    return changed.union(policies);
  }

  /** Returns what an entry gateway passes on to others; null for any other gateway. */
  #passing({ id }: WorldGateway): Passing | null {
    if (!this.#entryGateways.has(id)) return null;
    return ({ gateways }) => gateways.some((other) => other !== id && isUsable(this.#world.gateways.get(other)));
  }

  #renewCommon(): void {
    const { settings, gateways } = this.#world;
    const points = relayPoints(gateways.values());
    for (const [id, { store }] of this.#states)
      store.replace('common', [...beaconItems(settings.beacons, id), ...points.filter((point) => point.id !== id)]);
  }

  *#statesFor({ kind, matches }: Audience): Generator<GatewayState> {
    const universal = kind === 'device' ? this.#policies.universal : [];
    for (const policy of [...matches.map((match) => match.policy), ...universal])
      for (const gateway of this.#deciding.get(policy)) {
        const state = this.#states.get(gateway);
        if (state !== undefined) yield state;
      }
  }
}

/** A `Placed` while audiences are being placed. */
class Placement implements Placed {
  readonly audiences = new Set<Audience>();
  readonly items = { device: new Multimap(), site: new Multimap() };

  /** Returns the work that it was: the number of members whose item may change, at least 1. */
  place(state: GatewayState, audience: Audience): number {
    this.audiences.add(audience);
    if (!state.place(audience)) return 1;
    for (const member of audience.members) this.items[audience.kind].add(state.id, member);
    return audience.members.size;
  }
}

function audiencesOf({ policies, everyDevice }: Outcomes, audiences: Audiences): Iterable<Audience> {
  return everyDevice ? audiences.all() : new Set(policies.values().flatMap((policy) => audiences.withPolicy(policy)));
}

/** Returns the gateways of each device: those that are given, and those of the present audience of a moved one. */
function* gatewaysOf(
  { moved, audiences }: Regrouped<'device'>,
  given: readonly ReadonlyMultimap[],
): Generator<null, Map<string, Set<string>>> {
  const gateways = new Map<string, Set<string>>();
  const steps = new Steps();
  for (const id of moved) {
    const own = new Set(audiences.of(id)?.gateways);
    if (own.size > 0) gateways.set(id, own);
    if (steps.done(own.size)) yield null;
  }
  for (const members of given)
    for (const [gateway, ids] of members.entries())
      for (const id of ids) {
        computed(gateways, id, () => new Set()).add(gateway);
        if (steps.done()) yield null;
      }
  return gateways;
}

/** Returns the members that moved, by each gateway of their present audience. */
function arrived({ moved, audiences }: Regrouped): Multimap {
  const members = new Multimap();
  for (const id of moved) for (const gateway of audiences.of(id)?.gateways ?? []) members.add(gateway, id);
  return members;
}
