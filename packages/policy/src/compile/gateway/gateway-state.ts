import { contentId, type DeviceItem, type GatewayItem } from '@sallyport/contract/channel';
import { formatRange } from '@sallyport/ip';
import type { AddressSpace } from '../../addresses.ts';
import type { Grant } from '../../ports.ts';
import type { WorldDevice, WorldGateway, WorldSettings } from '../../types.ts';
import type { Audience } from '../audience/audiences.ts';
import { isAwaiting, keyOf, type PolicyMatch } from '../audience/matches.ts';
import type { AddressClass } from '../indexes/classes.ts';
import type { ItemHashes } from '../indexes/item-hashes.ts';
import { type GatewayChange, ItemStore } from '../indexes/items.ts';
import { computed, References } from '../indexes/maps.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';
import type { ResourceIndex } from '../indexes/resource-index.ts';
import type { Site } from '../indexes/sites.ts';
import { type Cell, CellResolver, latestExpiry } from './cells.ts';
import {
  type Destinations,
  destinationsOf,
  onwardPorts,
  type Passing,
  policiesAbout,
  policyPorts,
} from './destinations.ts';
import { gatewayNames } from './names.ts';
import { probeItems } from './probes.ts';

/** Devices, or sites, of a gateway that share their cells, because their matches that matter there are equal. */
interface Profile {
  readonly key: string;
  readonly id: string;
  readonly kind: 'device' | 'site';
  readonly resolver: CellResolver;
  readonly matches: readonly PolicyMatch[];
  readonly audiences: Set<Audience>;
  cells: readonly Cell[];
  /** Latest expiry of the cells. */
  expiresAt: number | null;
  stale: boolean;
}

/** The place of an audience: its profile, and what the items of its members say. They say nothing without access. */
interface Place {
  readonly profile: Profile;
  readonly shown: { readonly profile: string | null; readonly expiresAt: number | null } | null;
}

/** What an audience may reach in one class through a gateway. */
export interface Reached {
  readonly cell: Cell;
  readonly class: AddressClass;
  readonly grants: readonly Grant[];
}

/**
 * The compiled state of one gateway, in layers: destinations, ports of each policy, profiles, devices. A method that
 * changes one layer returns what it affects in the next one. `settle` ends a change.
 */
export class GatewayState {
  readonly id: string;
  readonly store: ItemStore;
  readonly #policies: PolicyIndex;
  readonly #resolver: CellResolver;
  /** The resolver for devices that come in through this gateway and go on to others. */
  readonly #entryResolver: CellResolver;
  /** Whether this is an entry gateway: then the resolver for entering devices is kept up. */
  isEntry = false;
  #destinations: Destinations = { classes: new Map(), byResource: new Map() };
  readonly #profiles = new Map<string, Profile>();
  readonly #places = new Map<Audience, Place>();
  readonly #classes = new References();
  readonly #bundles = new References();
  /** Classes and bundles whose item may have to change; bundles with their grants. */
  readonly #dirtyClasses = new Set<string>();
  readonly #dirtyBundles = new Map<string, readonly Grant[]>();
  readonly #abandoned = new Set<Profile>();

  /** `hashes`: those that all gateways of the tenant share. */
  constructor(id: string, policies: PolicyIndex, hashes: ItemHashes) {
    this.id = id;
    this.store = new ItemStore(hashes);
    this.#policies = policies;
    this.#resolver = new CellResolver(id, policies);
    this.#entryResolver = new CellResolver(id, policies);
  }

  /** Renews the gateway's own item. `deniedRanges`: see `GatewayItem`. */
  renewItem(gateway: WorldGateway, settings: WorldSettings, deniedRanges: readonly string[]): void {
    const item = gatewayItem(gateway, settings);
    this.store.put(deniedRanges.length === 0 ? item : { ...item, deniedRanges: [...deniedRanges] });
  }

  /**
   * Renews probes, names and destinations. Returns the policies whose ports changed here. `passing` says what an entry gateway
   * passes on; null for any other gateway.
   */
  rebuild(
    gateway: WorldGateway,
    resources: ResourceIndex,
    addressSpace: AddressSpace,
    passing: Passing | null,
  ): Set<string> {
    this.store.replace(
      'probes',
      gateway.intent === 'OFFLINE' ? [] : probeItems(gateway.id, resources, addressSpace.reserved),
    );
    this.store.replace('names', gateway.intent === 'OFFLINE' ? [] : gatewayNames(gateway.id, resources));
    const old = this.#destinations;
    this.#destinations = destinationsOf(gateway, resources, this.#policies, addressSpace, passing);
    this.isEntry = passing !== null;
    for (const id of new Set([...old.classes.keys(), ...this.#destinations.classes.keys()]))
      if (!sameRanges(old.classes.get(id), this.#destinations.classes.get(id))) this.#dirtyClasses.add(id);

    const about = policiesAbout(this.#destinations, resources, this.#policies);
    const concerned = this.touching.union(about);
    return new Set([...concerned].filter((policy) => this.refreshPolicy(policy)));
  }

  /** Renews where a policy decides at this gateway. Returns whether that changed. */
  refreshPolicy(id: string): boolean {
    const policy = this.#policies.get(id);
    const ports = (comesIn: boolean) =>
      policy === undefined ? new Map() : policyPorts(policy, this.#destinations, comesIn);
    const own = this.#resolver.setPorts(id, ports(false));
    if (!this.isEntry || policy === undefined) return this.#entryResolver.setPorts(id, new Map()) || own;
    return this.#entryResolver.setPorts(id, ports(true), onwardPorts(policy, this.#destinations)) || own;
  }

  /** Ids of the policies that decide anything here. */
  get touching(): Set<string> {
    return new Set([...this.#resolver.touching, ...this.#entryResolver.touching]);
  }

  /** Returns whether a policy decides anything here. */
  touchedBy(policy: string): boolean {
    return this.#resolver.ports(policy) !== undefined || this.#entryResolver.ports(policy) !== undefined;
  }

  /** Returns whether a policy decides anything here for an audience that it applies to. */
  touches(audience: Audience, policy: string): boolean {
    return this.#resolverFor(audience).ports(policy) !== undefined;
  }

  /** Forgets results that a changed policy may have influenced. A new place in the order is a change too. */
  forget(policy: string): void {
    this.#resolver.forget(policy);
    this.#entryResolver.forget(policy);
  }

  /** Marks the profiles that depend on some policies as stale. Their audiences have to be placed again. */
  invalidate(policies: ReadonlySet<string>, everything: boolean): void {
    for (const profile of this.#profiles.values())
      profile.stale ||= everything || profile.matches.some(({ policy }) => policies.has(policy));
  }

  /** Finds the profile of an audience. Returns whether the items of its members change. */
  place(audience: Audience): boolean {
    const before = this.#places.get(audience) ?? null;
    const resolver = this.#resolverFor(audience);
    const own = audience.matches.filter(({ policy }) => resolver.ports(policy) !== undefined);
    if (own.length === 0 && (audience.kind === 'site' || !this.#touchedByUniversal(resolver))) {
      this.remove(audience);
      return before !== null && before.shown !== null;
    }
    const name = audience.kind === 'site' ? 'site-profile' : resolver === this.#resolver ? 'profile' : 'entry-profile';
    const key = `${name} ${keyOf(own)}`;
    const profile = computed(this.#profiles, key, () => newProfile(key, name, audience.kind, resolver, own));
    if (profile.stale) this.#resolve(profile);
    const { id, expiresAt, cells } = profile;
    const peer = audience.kind === 'device' && own.some(isAwaiting) ? { profile: null, expiresAt: null } : null;
    const shown = cells.length > 0 ? { profile: id, expiresAt } : peer;
    if (profile !== before?.profile) this.remove(audience);
    profile.audiences.add(audience);
    audience.gateways.add(this.id);
    this.#places.set(audience, { profile, shown });
    return shown?.profile !== before?.shown?.profile || shown?.expiresAt !== before?.shown?.expiresAt;
  }

  /** Returns what an audience may reach here, by class. */
  *reached(audience: Audience): Generator<Reached> {
    const { cells, resolver } = this.#places.get(audience)?.profile ?? { cells: [], resolver: this.#resolver };
    for (const cell of cells) {
      const found = this.#destinations.classes.get(cell.class);
      if (found !== undefined) yield { cell, class: found, grants: resolver.grants(cell) };
    }
  }

  /** Removes an audience from its profile. */
  remove(audience: Audience): void {
    const place = this.#places.get(audience);
    if (place === undefined) return;
    this.#places.delete(audience);
    audience.gateways.delete(this.id);
    place.profile.audiences.delete(audience);
    if (place.profile.audiences.size === 0) this.#abandoned.add(place.profile);
  }

  /** Removes every audience. For a gateway that was removed. */
  vacate(): void {
    for (const audience of [...this.#places.keys()]) this.remove(audience);
  }

  /**
   * Renews the item of a device, whose audience must have been placed. `relay` is where a relay listens for the two.
   * Returns the item, or null. `alike`: the item of another gateway, which is taken if it is equal.
   */
  setDevice(
    id: string,
    device: WorldDevice | null,
    audience: Audience | undefined,
    relay: string | null,
    alike: DeviceItem | null,
  ): DeviceItem | null {
    const shown = (audience && this.#places.get(audience)?.shown) ?? null;
    const key = alike?.key ?? `device/${id}`;
    if (device === null || shown === null) {
      this.store.remove(key);
      return null;
    }
    const { publicKey, addresses } = device;
    const { profile, expiresAt } = shown;
    const via = audience?.entry === this.id ? null : (audience?.entry ?? null);
    const granted = profile === null || via !== null ? null : relay;
    const item = sameDevice(alike, { publicKey, addresses, via, relay: granted, profile, expiresAt })
      ? alike
      : {
          kind: 'device' as const,
          key,
          id,
          publicKey,
          addresses: [...addresses],
          via,
          relay: granted,
          profile,
          expiresAt,
        };
    this.store.put(item);
    return item;
  }

  /** Renews the item of a site, whose audience must have been placed. */
  setSite(id: string, site: Site | null, audience: Audience | undefined): void {
    const shown = (audience && this.#places.get(audience)?.shown) ?? null;
    const key = `site/${id}`;
    const { profile = null, expiresAt = null } = shown ?? {};
    if (site === null || profile === null) this.store.remove(key);
    else this.store.put({ kind: 'site', key, id, prefixes: [...site.prefixes], profile, expiresAt });
  }

  /** Ends a change: removes items that are no longer used. Returns what changed, or null. */
  settle(): GatewayChange | null {
    for (const profile of this.#abandoned) if (profile.audiences.size === 0) this.#drop(profile);
    this.#abandoned.clear();
    for (const id of this.#dirtyClasses) this.#renewClass(id);
    this.#dirtyClasses.clear();
    for (const [id, grants] of this.#dirtyBundles) this.#renewBundle(id, grants);
    this.#dirtyBundles.clear();
    return this.store.takeDelta();
  }

  #resolverFor({ entry }: Audience): CellResolver {
    return entry === this.id ? this.#entryResolver : this.#resolver;
  }

  #touchedByUniversal(resolver: CellResolver): boolean {
    return this.#policies.universal.values().some((policy) => resolver.ports(policy) !== undefined);
  }

  #resolve(profile: Profile): void {
    const { id } = profile;
    const cells = profile.resolver.cells(profile.matches, profile.kind);
    profile.stale = false;
    profile.expiresAt = latestExpiry(cells);
    if (sameCells(cells, profile.cells)) return;
    this.#setCells(profile, cells);
    const key = `profile/${id}`;
    if (profile.cells.length === 0) this.store.remove(key);
    else this.store.put({ kind: 'profile', key, id, cells: [...profile.cells] });
  }

  #drop(profile: Profile): void {
    this.#setCells(profile, []);
    this.#profiles.delete(profile.key);
    this.store.remove(`profile/${profile.id}`);
  }

  #setCells(profile: Profile, cells: readonly Cell[]): void {
    for (const cell of cells) {
      if (this.#classes.add(cell.class)) this.#dirtyClasses.add(cell.class);
      for (const { bundle, grants } of profile.resolver.steps(cell))
        if (this.#bundles.add(bundle)) this.#dirtyBundles.set(bundle, grants);
    }
    for (const cell of profile.cells) {
      if (this.#classes.drop(cell.class)) this.#dirtyClasses.add(cell.class);
      for (const { bundle } of profile.resolver.steps(cell))
        if (this.#bundles.drop(bundle)) this.#dirtyBundles.set(bundle, []);
    }
    profile.cells = cells;
  }

  #renewClass(id: string): void {
    const key = `class/${id}`;
    const found = this.#destinations.classes.get(id);
    if (found === undefined || !this.#classes.has(id)) this.store.remove(key);
    else this.store.put({ kind: 'class', key, id, ranges: found.ranges.map(formatRange) });
  }

  #renewBundle(id: string, grants: readonly Grant[]): void {
    const key = `bundle/${id}`;
    if (!this.#bundles.has(id)) this.store.remove(key);
    else this.store.put({ kind: 'bundle', key, id, grants: [...grants] });
  }
}

function newProfile(
  key: string,
  name: string,
  kind: 'device' | 'site',
  resolver: CellResolver,
  matches: readonly PolicyMatch[],
): Profile {
  const id = contentId(name, ...matches.map((match) => match.key));
  return { key, id, kind, resolver, matches, audiences: new Set(), cells: [], expiresAt: null, stale: true };
}

/** What an item says about its device. Any other field would have to be compared too. */
type AboutDevice = Readonly<Omit<DeviceItem, 'kind' | 'key' | 'id' | 'addresses'>> & Pick<WorldDevice, 'addresses'>;

/** Returns whether an item about the same device says the same. */
function sameDevice(item: DeviceItem | null, about: AboutDevice): item is DeviceItem {
  return (
    item !== null &&
    item.publicKey === about.publicKey &&
    item.via === about.via &&
    item.relay === about.relay &&
    item.profile === about.profile &&
    item.expiresAt === about.expiresAt &&
    item.addresses.length === about.addresses.length &&
    item.addresses.every((address, i) => address === about.addresses[i])
  );
}

function sameRanges(a: AddressClass | undefined, b: AddressClass | undefined): boolean {
  if (a?.ranges.length !== b?.ranges.length) return false;
  return a?.ranges.every((x, i) => x.first === b?.ranges[i]?.first && x.last === b.ranges[i].last) ?? true;
}

function sameCells(a: readonly Cell[], b: readonly Cell[]): boolean {
  return a.length === b.length && a.every((cell, i) => cell === b[i]);
}

function gatewayItem(gateway: WorldGateway, settings: WorldSettings): GatewayItem {
  const { listenPort, addresses, masquerade, intent, drainUntil, relayEnabled, relayPorts } = gateway;
  const { overlay } = settings;
  return {
    kind: 'gateway',
    key: 'gateway',
    listenPort,
    addresses: [...addresses],
    overlay: { ...overlay },
    mtu: gateway.mtu ?? settings.mtu,
    masquerade,
    intent,
    drainUntil,
    relayPorts: relayEnabled ? { from: relayPorts.from, to: relayPorts.to } : null,
    ...(gateway.dnsServers !== undefined && { dnsServers: [...gateway.dnsServers] }),
    ...(settings.otherNames === 'FORWARD' && { forwarding: true }),
  };
}
