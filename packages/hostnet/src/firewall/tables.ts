import type { Grant } from '@sallyport/contract/channel';
import type {
  AddressClass,
  Bundle,
  Cell,
  Egress,
  FirewallDevice,
  PeerGateway,
  Profile,
  Site,
  Successor,
} from '../types.ts';
import { type EgressRange, planEgress } from './egress.ts';
import { Elements } from './elements.ts';
import { PortSpace } from './ports.ts';
import {
  BUNDLE_BASE,
  CLASS_BASE,
  classText,
  EGRESS_DESTINATION_BASE,
  EGRESS_SOURCE_BASE,
  FIRST_PORT_CLASS,
  ICMP_PORT_CLASS,
  markText,
  Numbering,
  OTHER_PORT_CLASS,
  PORT_CLASS_BASE,
  PROFILE_BASE,
  Sequence,
  SITE_BASE,
  SITE_MARK_OFFSET,
  START_MARK,
} from './registers.ts';
import { CELL_MAPS } from './rule-text.ts';
import type { FirewallOptions, Generation, MapName } from './ruleset.ts';
import { addressKey, checkName, classKeys, policyCounter, siteRangeKeys } from './state.ts';

/**
 * The wanted elements of all maps, under this host's numbering. Items are inserted and withdrawn as a whole. A
 * reference to a missing item is a number that no map continues from, so it admits nothing.
 */
export class Tables {
  readonly generation: Generation;
  readonly maps: Readonly<Record<MapName, Elements>>;
  /** Counter names that some `allowed` element refers to, stored as elements so that changes are recorded. */
  readonly counters: Elements;
  readonly profiles = new Numbering(PROFILE_BASE);
  readonly sites = new Numbering(SITE_BASE);
  readonly bundles = new Numbering(BUNDLE_BASE);
  readonly classes = new Numbering(CLASS_BASE);
  /** Groups of egress items, by the name that `planEgress` gives them. */
  readonly egressSources = new Numbering(EGRESS_SOURCE_BASE);
  readonly egressDestinations = new Numbering(EGRESS_DESTINATION_BASE);
  readonly ports: { readonly tcp: PortSpace; readonly udp: PortSpace };
  readonly #overlay: FirewallOptions['overlay'];
  #near: readonly string[] = [];
  readonly #counterUses = new Map<string, number>();
  readonly #egress = new Map<string, Egress>();
  #egressGroups: { readonly sources: readonly string[]; readonly destinations: readonly string[] } | null = null;
  #egressChanged = false;
  #egressWays: readonly string[] = [];
  readonly #ends = { sites: new Map<string, Site>(), cells: new Map<string, readonly Cell[]>() };
  #sitesChanged = false;
  #siteWays: readonly string[] = [];
  #onward = 0;

  constructor(generation: Generation, overlay: FirewallOptions['overlay']) {
    const timed = (name: MapName): Elements => new Elements(name, true, generation);
    const lasting = (name: MapName): Elements => new Elements(name, false, generation);
    this.generation = generation;
    this.#overlay = overlay;
    this.maps = {
      devices4: timed('devices4'),
      devices6: timed('devices6'),
      sites4: lasting('sites4'),
      sites6: lasting('sites6'),
      gateways4: timed('gateways4'),
      gateways6: timed('gateways6'),
      site_profiles: timed('site_profiles'),
      site_ways: lasting('site_ways'),
      hosts4: lasting('hosts4'),
      hosts6: lasting('hosts6'),
      classes4: lasting('classes4'),
      classes6: lasting('classes6'),
      internet: lasting('internet'),
      cells: timed('cells'),
      cells_after1: timed('cells_after1'),
      cells_after2: timed('cells_after2'),
      cells_after3: timed('cells_after3'),
      tcp_ports: lasting('tcp_ports'),
      udp_ports: lasting('udp_ports'),
      allowed: lasting('allowed'),
      egress_sources4: lasting('egress_sources4'),
      egress_sources6: lasting('egress_sources6'),
      egress_destinations4: lasting('egress_destinations4'),
      egress_destinations6: lasting('egress_destinations6'),
      egress_pairs: timed('egress_pairs'),
      ways: lasting('ways'),
      names4: lasting('names4'),
      names6: lasting('names6'),
      lease: timed('lease'),
    };
    this.counters = new Elements('counters', false, generation);
    const portClasses = new Sequence(PORT_CLASS_BASE, FIRST_PORT_CLASS);
    this.ports = {
      tcp: new PortSpace(this.maps.tcp_ports, portClasses, this),
      udp: new PortSpace(this.maps.udp_ports, portClasses, this),
    };
  }

  /** Returns whether devices of any profile go on to other gateways. */
  get onward(): boolean {
    return this.#onward > 0;
  }

  setLease(until: number): void {
    this.maps.lease.delete(markText(START_MARK));
    this.maps.lease.add(markText(START_MARK), null, until);
  }

  /** Ends a change and frees numbers and port classes that are no longer in use. */
  settle(): void {
    this.ports.tcp.settle();
    this.ports.udp.settle();
    if (this.#egressChanged) this.#arrangeEgress();
    if (this.#sitesChanged) this.#arrangeSites();
    for (const numbering of [this.profiles, this.sites, this.bundles, this.classes]) numbering.settle();
    for (const numbering of [this.egressSources, this.egressDestinations]) numbering.settle();
  }

  insertDevice(device: FirewallDevice): void {
    if (device.profile === null) return;
    const profile = markText(this.profiles.acquire(device.profile));
    for (const text of device.addresses) {
      const { family, key } = addressKey(text);
      this.maps[`devices${family}`].add(key, profile, device.expiresAt);
    }
  }

  withdrawDevice(device: FirewallDevice): void {
    if (device.profile === null) return;
    for (const text of device.addresses) {
      const { family, key } = addressKey(text);
      this.maps[`devices${family}`].delete(key);
    }
    this.profiles.release(device.profile);
  }

  /**
   * Adds the ranges of a site. Not every kernel can expire ranges one by one. So ranges lead to the site's number, and
   * the number has the time limit.
   */
  insertSite(site: Site): void {
    const number = classText(this.sites.acquire(site.id));
    for (const text of site.prefixes) {
      const { family, keys } = siteRangeKeys(text, this.#overlay);
      for (const key of keys) this.maps[`sites${family}`].add(key, number);
    }
    this.maps.site_profiles.add(number, markText(this.profiles.acquire(site.profile)), site.expiresAt);
    this.maps.site_ways.add(number, markText(siteMark(this.sites.of(site.id))));
    this.#ends.sites.set(site.id, site);
    this.#sitesChanged = true;
  }

  withdrawSite(site: Site): void {
    for (const text of site.prefixes) {
      const { family, keys } = siteRangeKeys(text, this.#overlay);
      for (const key of keys) this.maps[`sites${family}`].delete(key);
    }
    this.maps.site_profiles.delete(classText(this.sites.of(site.id)));
    this.maps.site_ways.delete(classText(this.sites.of(site.id)));
    this.profiles.release(site.profile);
    this.sites.release(site.id);
    this.#ends.sites.delete(site.id);
    this.#sitesChanged = true;
  }

  insertGateway({ addresses, expiresAt }: PeerGateway): void {
    for (const text of addresses) {
      const { family, key } = addressKey(text);
      this.maps[`gateways${family}`].add(key, null, expiresAt);
    }
  }

  withdrawGateway({ addresses }: PeerGateway): void {
    for (const text of addresses) {
      const { family, key } = addressKey(text);
      this.maps[`gateways${family}`].delete(key);
    }
  }

  insertEgress(item: Egress): void {
    this.#egress.set(item.id, item);
    this.#egressChanged = true;
  }

  withdrawEgress({ id }: Egress): void {
    this.#egress.delete(id);
    this.#egressChanged = true;
  }

  /** Sets the networks at this host. No class of the internet may be present during this call. */
  setNear(near: readonly string[]): void {
    this.#near = near;
  }

  /** Sets the real address of a virtual one; null: it has none. */
  setName(virtual: string, real: string | null): void {
    const elements = this.maps[`names${addressKey(virtual).family}`];
    if (real !== null) checkName(virtual, real);
    elements.delete(virtual);
    if (real !== null) elements.add(virtual, real);
  }

  insertClass(item: AddressClass): void {
    const number = classText(this.classes.acquire(item.id));
    for (const { map, key } of classKeys(item, this.#near)) this.maps[map].add(key, number);
    if (item.internet) this.maps.internet.add(number, null);
  }

  withdrawClass(item: AddressClass): void {
    for (const { map, key } of classKeys(item, this.#near)) this.maps[map].delete(key);
    if (item.internet) this.maps.internet.delete(classText(this.classes.of(item.id)));
    this.classes.release(item.id);
  }

  insertProfile(profile: Profile): void {
    const mark = this.profiles.acquire(profile.id);
    for (const cell of profile.cells) {
      const key = pair(mark, this.classes.acquire(cell.class));
      for (const [map, { bundle, expiresAt }] of steps(cell))
        this.maps[map].add(key, markText(this.bundles.acquire(bundle)), expiresAt);
      if (cell.onward === true) this.#leadOnward(key, true);
    }
    this.#ends.cells.set(profile.id, profile.cells);
    this.#sitesChanged ||= this.#isOfSite(profile.id);
  }

  withdrawProfile(profile: Profile): void {
    const mark = this.profiles.of(profile.id);
    for (const cell of profile.cells) {
      const key = pair(mark, this.classes.of(cell.class));
      for (const [map, { bundle }] of steps(cell)) {
        this.maps[map].delete(key);
        this.bundles.release(bundle);
      }
      if (cell.onward === true) this.#leadOnward(key, false);
      this.classes.release(cell.class);
    }
    this.profiles.release(profile.id);
    this.#ends.cells.delete(profile.id);
    this.#sitesChanged ||= this.#isOfSite(profile.id);
  }

  insertBundle(bundle: Bundle): void {
    const mark = this.bundles.acquire(bundle.id);
    for (const grant of bundle.grants) this.#insertGrant(mark, grant);
  }

  withdrawBundle(bundle: Bundle): void {
    const mark = this.bundles.of(bundle.id);
    for (const { protocol, from, to } of bundle.grants) {
      if (protocol === 'icmp') this.leave(mark, ICMP_PORT_CLASS);
      else if (protocol === 'other') this.leave(mark, OTHER_PORT_CLASS);
      else this.ports[protocol].remove(mark, from, to);
    }
    this.bundles.release(bundle.id);
  }

  join(bundle: number, portClass: number, policy: string): void {
    const counter = policyCounter(policy);
    const uses = this.#counterUses.get(counter) ?? 0;
    this.#counterUses.set(counter, uses + 1);
    if (uses === 0) this.counters.add(counter, null);
    this.maps.allowed.add(pair(bundle, portClass), counter);
  }

  leave(bundle: number, portClass: number): void {
    const key = pair(bundle, portClass);
    const counter = this.maps.allowed.current.get(key)?.value;
    if (!counter) return;
    this.maps.allowed.delete(key);
    const uses = (this.#counterUses.get(counter) ?? 0) - 1;
    this.#counterUses.set(counter, uses);
    if (uses > 0) return;
    this.#counterUses.delete(counter);
    this.counters.delete(counter);
  }

  /**
   * Plans all egress items again, because items may overlap each other. There are only as many items as connections to
   * other gateways. Groups that stay keep their numbers, and unchanged elements are no change.
   */
  #arrangeEgress(): void {
    this.#egressChanged = false;
    for (const name of EGRESS_MAPS) {
      const map = this.maps[name];
      for (const key of [...map.current.keys()]) map.delete(key);
    }
    const plan = planEgress(this.#egress.values(), this.#overlay);
    const groups = { sources: groupsOf(plan.sources), destinations: groupsOf(plan.destinations) };
    for (const group of groups.sources) this.egressSources.acquire(group);
    for (const group of groups.destinations) this.egressDestinations.acquire(group);
    for (const group of this.#egressGroups?.sources ?? []) this.egressSources.release(group);
    for (const group of this.#egressGroups?.destinations ?? []) this.egressDestinations.release(group);
    this.#egressGroups = groups;
    for (const { family, key, group } of plan.sources)
      this.maps[`egress_sources${family}`].add(key, markText(this.egressSources.of(group)));
    for (const { family, key, group } of plan.destinations)
      this.maps[`egress_destinations${family}`].add(key, classText(this.egressDestinations.of(group)));
    for (const key of this.#egressWays) this.maps.ways.delete(key);
    this.#egressWays = plan.pairs.map(({ sources, destinations, expiresAt }) => {
      const key = pair(this.egressSources.of(sources), this.egressDestinations.of(destinations));
      this.maps.egress_pairs.add(key, null, expiresAt);
      this.maps.ways.add(key, null);
      return key;
    });
  }

  /** Sets the ways. Ways have no time limits: expired traffic still goes towards the tunnel, where it is dropped. */
  #arrangeSites(): void {
    this.#sitesChanged = false;
    for (const key of this.#siteWays) this.maps.ways.delete(key);
    this.#siteWays = [...this.#ends.sites.values()].flatMap(({ id, profile }) =>
      (this.#ends.cells.get(profile) ?? []).map((cell) =>
        pair(siteMark(this.sites.of(id)), this.classes.of(cell.class)),
      ),
    );
    for (const key of this.#siteWays) this.maps.ways.add(key, null);
  }

  #isOfSite(profile: string): boolean {
    return this.#ends.sites.values().some((site) => site.profile === profile);
  }

  #leadOnward(key: string, leads: boolean): void {
    this.#onward += leads ? 1 : -1;
    if (leads) this.maps.ways.add(key, null);
    else this.maps.ways.delete(key);
  }

  #insertGrant(bundle: number, { protocol, from, to, policy }: Grant): void {
    if (protocol === 'icmp') this.join(bundle, ICMP_PORT_CLASS, policy);
    else if (protocol === 'other') this.join(bundle, OTHER_PORT_CLASS, policy);
    else this.ports[protocol].add(bundle, from, to, policy);
  }
}

const EGRESS_MAPS = [
  'egress_sources4',
  'egress_sources6',
  'egress_destinations4',
  'egress_destinations6',
  'egress_pairs',
] as const;

/** Returns the bundles of a cell, each with the map that holds it. */
function steps(cell: Cell): [(typeof CELL_MAPS)[number], Successor][] {
  const all: readonly Successor[] = [cell, ...(cell.after ?? [])];
  return CELL_MAPS.flatMap((map, i): [typeof map, Successor][] => {
    const step = all[i];
    return step === undefined ? [] : [[map, step]];
  });
}

function siteMark(site: number): number {
  return site + SITE_MARK_OFFSET;
}

function groupsOf(ranges: readonly EgressRange[]): readonly string[] {
  return [...new Set(ranges.map(({ group }) => group))];
}

function pair(mark: number, classNumber: number): string {
  return `${markText(mark)} . ${classText(classNumber)}`;
}
