import { formatRange, type IpRange } from '@sallyport/contract';
import { contentId, type GatewayItem, type StateDelta } from '@sallyport/contract/channel';
import type { WorldDevice, WorldGateway, WorldSettings } from '../types.ts';
import type { Audience } from './audiences.ts';
import { type Cell, CellResolver } from './cells.ts';
import { type Destinations, destinationsOf, policiesAbout, policyPorts } from './destinations.ts';
import { ItemStore } from './items.ts';
import { computed, References } from './maps.ts';
import type { PolicyIndex } from './policy-index.ts';
import { probeItems } from './probes.ts';
import type { ResourceIndex } from './resource-index.ts';

/** Devices of a gateway that share their cells, because the same policies touch them there. */
interface Profile {
  readonly id: string;
  readonly policies: readonly string[];
  readonly audiences: Set<Audience>;
  cells: readonly Cell[];
  stale: boolean;
}

/** Where an audience is, and which profile its devices show: none while there is nothing to reach. */
interface Place {
  readonly profile: Profile;
  readonly shown: string | null;
}

/**
 * Compiled state of one gateway in layers: destinations, ports of each policy, profiles, devices. Whoever changes one
 * layer says what of the next is affected; `settle` ends a change.
 */
export class GatewayState {
  readonly id: string;
  readonly store = new ItemStore();
  readonly #policies: PolicyIndex;
  readonly #resolver: CellResolver;
  #destinations: Destinations = { classes: new Map(), byResource: new Map() };
  readonly #profiles = new Map<string, Profile>();
  readonly #places = new Map<Audience, Place>();
  readonly #references = new References();
  /** Keys of classes and bundles whose item may have come, gone or changed. */
  readonly #dirty = new Set<string>();
  readonly #abandoned = new Set<Profile>();

  #probes = new Set<string>();

  constructor(id: string, policies: PolicyIndex) {
    this.id = id;
    this.#policies = policies;
    this.#resolver = new CellResolver(policies);
  }

  /** Renews the interface item, probes and destinations; returns the policies whose ports changed here by that. */
  rebuild(
    gateway: WorldGateway,
    settings: WorldSettings,
    resources: ResourceIndex,
    reserved: readonly IpRange[],
  ): Set<string> {
    this.store.put(gatewayItem(gateway, settings));
    this.#renewProbes(gateway, resources, reserved);
    const old = this.#destinations;
    this.#destinations = destinationsOf(gateway, resources, this.#policies, reserved);
    for (const id of [...old.classes.keys(), ...this.#destinations.classes.keys()]) this.#dirty.add(`class/${id}`);

    const about = policiesAbout(this.#destinations, resources, this.#policies);
    const concerned = new Set(this.#resolver.touching).union(about);
    return new Set([...concerned].filter((policy) => this.refreshPolicy(policy)));
  }

  /** Renews where a policy decides on this gateway; true when that changed. */
  refreshPolicy(id: string): boolean {
    const policy = this.#policies.get(id);
    const before = this.#resolver.ports(id);
    const now = policy === undefined ? new Map() : policyPorts(policy, this.#destinations);
    this.#resolver.setPorts(id, now);
    return JSON.stringify([...(before ?? [])]) !== JSON.stringify([...now]);
  }

  /** Policies that decide anything here. */
  get touching(): Iterable<string> {
    return this.#resolver.touching;
  }

  touchedBy(policy: string): boolean {
    return this.#resolver.ports(policy) !== undefined;
  }

  /** Results that any of these policies had a part in are no longer true. Their audiences are to be placed again. */
  invalidate(policies: ReadonlySet<string>, everything: boolean): void {
    this.#resolver.reset();
    for (const profile of this.#profiles.values())
      profile.stale ||= everything || profile.policies.some((policy) => policies.has(policy));
  }

  /** Finds the profile of an audience; true when its devices have another one now, or none any more, or one at last. */
  place(audience: Audience): boolean {
    const before = this.#places.get(audience) ?? null;
    const own = audience.policies.filter((policy) => this.touchedBy(policy));
    if (own.length === 0 && !this.#touchedByUniversal()) {
      this.remove(audience);
      return before !== null && before.shown !== null;
    }
    const profile = computed(this.#profiles, own.join(' '), () => newProfile(own));
    if (profile.stale) this.#resolve(profile);
    const shown = profile.cells.length > 0 ? profile.id : null;
    if (profile !== before?.profile) this.remove(audience);
    profile.audiences.add(audience);
    audience.gateways.add(this.id);
    this.#places.set(audience, { profile, shown });
    return shown !== (before?.shown ?? null);
  }

  remove(audience: Audience): void {
    const place = this.#places.get(audience);
    if (place === undefined) return;
    this.#places.delete(audience);
    audience.gateways.delete(this.id);
    place.profile.audiences.delete(audience);
    if (place.profile.audiences.size === 0) this.#abandoned.add(place.profile);
  }

  /** Takes every audience away, for a gateway that is gone. */
  vacate(): void {
    for (const audience of [...this.#places.keys()]) this.remove(audience);
  }

  /** Renews the item of a device; its audience must have been placed. */
  setDevice(id: string, device: WorldDevice | null, audience: Audience | undefined): void {
    const profile = (audience && this.#places.get(audience)?.shown) ?? null;
    const key = `device/${id}`;
    if (device === null || profile === null) {
      this.store.remove(key);
      return;
    }
    const { publicKey, addresses } = device;
    this.store.put({ kind: 'device', key, id, publicKey, addresses: [...addresses], profile, expiresAt: null });
  }

  /** Ends a change: what is no longer used goes. Returns what changed, or null. */
  settle(): StateDelta | null {
    for (const profile of this.#abandoned) if (profile.audiences.size === 0) this.#drop(profile);
    this.#abandoned.clear();
    for (const key of this.#dirty) this.#renewShared(key);
    this.#dirty.clear();
    return this.store.takeDelta();
  }

  #touchedByUniversal(): boolean {
    return this.#policies.universal.values().some((policy) => this.touchedBy(policy));
  }

  #resolve(profile: Profile): void {
    const { id } = profile;
    this.#setCells(profile, this.#resolver.cells(profile.policies));
    profile.stale = false;
    const key = `profile/${id}`;
    if (profile.cells.length === 0) this.store.remove(key);
    else this.store.put({ kind: 'profile', key, id, cells: [...profile.cells] });
  }

  #drop(profile: Profile): void {
    this.#setCells(profile, []);
    this.#profiles.delete(profile.policies.join(' '));
    this.store.remove(`profile/${profile.id}`);
  }

  #setCells(profile: Profile, cells: readonly Cell[]): void {
    if (cells === profile.cells) return;
    for (const key of cells.flatMap(keysOf)) {
      if (!this.#references.has(key)) this.#dirty.add(key);
      this.#references.add(key);
    }
    for (const key of profile.cells.flatMap(keysOf)) {
      this.#references.drop(key);
      if (!this.#references.has(key)) this.#dirty.add(key);
    }
    profile.cells = cells;
  }

  /** Puts or removes the item of a class or bundle as profiles need it. */
  #renewShared(key: string): void {
    if (!this.#references.has(key)) {
      this.store.remove(key);
      return;
    }
    const [kind, id = ''] = key.split('/');
    const addressClass = kind === 'class' ? this.#destinations.classes.get(id) : undefined;
    const bundle = kind === 'bundle' ? this.#resolver.bundle(id) : undefined;
    if (addressClass !== undefined)
      this.store.put({ kind: 'class', key, id, ranges: addressClass.ranges.map(formatRange) });
    if (bundle !== undefined) this.store.put({ kind: 'bundle', key, id, grants: [...bundle.grants] });
  }

  #renewProbes(gateway: WorldGateway, resources: ResourceIndex, reserved: readonly IpRange[]): void {
    const probes = gateway.intent === 'OFFLINE' ? [] : probeItems(gateway.id, resources, reserved);
    const keys = new Set(probes.map((probe) => probe.key));
    for (const key of this.#probes.difference(keys)) this.store.remove(key);
    for (const probe of probes) this.store.put(probe);
    this.#probes = keys;
  }
}

function newProfile(policies: readonly string[]): Profile {
  return { id: contentId('profile', ...policies), policies, audiences: new Set(), cells: [], stale: true };
}

function keysOf(cell: Cell): [string, string] {
  return [`class/${cell.class}`, `bundle/${cell.bundle}`];
}

function gatewayItem(gateway: WorldGateway, settings: WorldSettings): GatewayItem {
  const { listenPort, addresses, masquerade, intent } = gateway;
  const { overlay, mtu } = settings;
  return {
    kind: 'gateway',
    key: 'gateway',
    listenPort,
    addresses: [...addresses],
    overlay: { v4: overlay.v4, v6: overlay.v6 },
    mtu,
    masquerade,
    intent,
  };
}
