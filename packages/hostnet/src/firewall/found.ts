import type {
  AddressClass,
  Bundle,
  Egress,
  FirewallDevice,
  FirewallState,
  PeerGateway,
  Profile,
  Site,
} from '../types.ts';
import { egressIds } from './egress.ts';
import type { FirewallModel } from './model.ts';
import { classNumber, SITE_MARK_OFFSET } from './registers.ts';
import { alive } from './render.ts';
import { CELL_MAPS } from './rule-text.ts';
import type { MapName } from './ruleset.ts';
import { GENERATED_SETS, generated, MAP_NAMES, MAPS, ruleset } from './ruleset.ts';
import { addressKey } from './state.ts';

/** The table as the kernel lists it. */
export interface Listing {
  /**
   * Elements of each known map and set: key → value, null in a set. Keys and values are spelled as this package spells
   * them.
   */
  readonly maps: ReadonlyMap<string, ReadonlyMap<string, string | null>>;
  /** Rules of each chain, in the notation of the listing, without handles. */
  readonly rules: ReadonlyMap<string, readonly string[]>;
}

/**
 * The state that the kernel enforces, by the ids of the state. It holds an item as given if and only if the kernel
 * holds exactly its elements. So a comparison (or a hash) against the wanted state shows whether they agree. Expired
 * elements may be present or absent.
 */
export interface FoundFirewall {
  /** Null if the chains differ from the loaded ones. */
  readonly settings: Pick<FirewallState, 'masquerade' | 'draining'> | null;
  readonly devices: ReadonlyMap<string, FirewallDevice>;
  readonly sites: ReadonlyMap<string, Site>;
  readonly gateways: ReadonlyMap<string, PeerGateway>;
  readonly egress: ReadonlyMap<string, Egress>;
  readonly classes: ReadonlyMap<string, AddressClass>;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly bundles: ReadonlyMap<string, Bundle>;
  /** One sentence for each difference from the wanted state; empty if there is none. */
  readonly differences: readonly string[];
}

/**
 * Maps a listing back to ids. `rules` are the rules that the kernel listed right after the load, or null if unknown.
 * `slack` is the number of milliseconds by which the kernel's timeouts may run ahead of `now`.
 */
export function mapBack(
  model: FirewallModel,
  listing: Listing | null,
  rules: ReadonlyMap<string, readonly string[]> | null,
  now: number,
  slack = 1000,
): FoundFirewall {
  if (!listing) return nothing('the table does not exist');
  const blame = new Blame(model);
  for (const name of MAP_NAMES) {
    const map = model.tables.maps[name];
    const found = listing.maps.get(map.kernelName) ?? new Map<string, string | null>();
    for (const [key, element] of map.current) {
      const value = found.get(key);
      if (value === undefined && alive(element, now + slack)) blame.element(name, key, 'is missing');
      else if (value !== undefined && value !== element.value) blame.element(name, key, `is mapped to ${value}`);
    }
    for (const [key, value] of found) {
      if (!map.current.has(key)) blame.element(name, key, 'is not ours', value);
    }
  }
  const chains = [...chainDifferences(model, listing.rules, rules), ...strayMaps(model, listing)];
  const { masquerade, draining } = model.state;
  return {
    settings: chains.length === 0 ? { masquerade, draining } : null,
    devices: without(model.state.devices, blame.devices),
    sites: without(model.state.sites, blame.sites),
    gateways: without(model.state.gateways, blame.gateways),
    egress: without(model.state.egress, blame.egress),
    classes: without(model.state.classes, blame.classes),
    profiles: without(model.state.profiles, blame.profiles),
    bundles: without(model.state.bundles, blame.bundles),
    differences: [...chains, ...blame.sentences],
  };
}

function nothing(difference: string): FoundFirewall {
  return {
    settings: null,
    devices: new Map(),
    sites: new Map(),
    gateways: new Map(),
    egress: new Map(),
    classes: new Map(),
    profiles: new Map(),
    bundles: new Map(),
    differences: [difference],
  };
}

/** Returns the items that an element belongs to. */
class Blame {
  readonly devices = new Set<string>();
  readonly sites = new Set<string>();
  readonly gateways = new Set<string>();
  readonly egress = new Set<string>();
  readonly classes = new Set<string>();
  readonly profiles = new Set<string>();
  readonly bundles = new Set<string>();
  readonly sentences: string[] = [];
  readonly #model: FirewallModel;
  #addresses: Map<string, string> | null = null;

  constructor(model: FirewallModel) {
    this.#model = model;
  }

  element(map: MapName, key: string, what: string, foreignValue: string | null = null): void {
    this.sentences.push(`${map}: ${key} ${what}`);
    const { tables } = this.#model;
    if (map === 'devices4' || map === 'devices6') this.#device(key, foreignValue);
    else if (map === 'sites4' || map === 'sites6') {
      const value = tables.maps[map].current.get(key)?.value ?? foreignValue;
      add(this.sites, tables.sites.id(classNumber(value)));
    } else if (map === 'gateways4' || map === 'gateways6') this.#gateway(key);
    else if (map === 'site_profiles') this.#siteProfile(key, foreignValue);
    else if (map === 'site_ways') add(this.sites, tables.sites.id(classNumber(key)));
    else if (map === 'classes4' || map === 'classes6' || map === 'hosts4' || map === 'hosts6') {
      const value = tables.maps[map].current.get(key)?.value ?? foreignValue;
      add(this.classes, tables.classes.id(classNumber(value)));
    } else if (map === 'internet') this.#internet();
    else if (isCellMap(map)) add(this.profiles, tables.profiles.id(Number.parseInt(key, 16)));
    else if (map === 'allowed') add(this.bundles, tables.bundles.id(Number.parseInt(key, 16)));
    else if (map === 'tcp_ports' || map === 'udp_ports') {
      const ports = tables.ports[map === 'tcp_ports' ? 'tcp' : 'udp'];
      for (const bundle of ports.membersOf(key)) add(this.bundles, tables.bundles.id(bundle));
    } else if (map === 'egress_pairs') {
      const [from, to] = key.split(' . ');
      this.#egressGroup(tables.egressSources.id(Number.parseInt(from ?? '', 16)));
      this.#egressGroup(tables.egressDestinations.id(classNumber(to ?? null)));
    } else if (map === 'ways') this.#way(key);
    else if (map === 'egress_sources4' || map === 'egress_sources6') {
      const value = tables.maps[map].current.get(key)?.value ?? foreignValue;
      this.#egressGroup(tables.egressSources.id(Number.parseInt(value ?? '', 16)));
    } else if (map === 'egress_destinations4' || map === 'egress_destinations6') {
      const value = tables.maps[map].current.get(key)?.value ?? foreignValue;
      this.#egressGroup(tables.egressDestinations.id(classNumber(value)));
    } else if (map === 'lease') this.#everySource();
  }

  /** An unwanted address marks the profile that it leads to as wrong. */
  #device(key: string, foreignValue: string | null): void {
    const { tables } = this.#model;
    add(this.devices, this.#ownerOf(key));
    if (foreignValue) add(this.profiles, tables.profiles.id(Number.parseInt(foreignValue, 16)));
  }

  #gateway(key: string): void {
    for (const { id, addresses } of this.#model.state.gateways.values())
      if (addresses.some((text) => addressKey(text).key === key)) this.gateways.add(id);
  }

  #internet(): void {
    for (const { id, internet } of this.#model.state.classes.values()) if (internet) this.classes.add(id);
  }

  #siteProfile(key: string, foreignValue: string | null): void {
    const { tables } = this.#model;
    add(this.sites, tables.sites.id(classNumber(key)));
    if (foreignValue) add(this.profiles, tables.profiles.id(Number.parseInt(foreignValue, 16)));
  }

  #way(key: string): void {
    const { tables } = this.#model;
    const number = Number.parseInt(key, 16);
    add(this.profiles, tables.profiles.id(number));
    add(this.sites, tables.sites.id(number - SITE_MARK_OFFSET));
    this.#egressGroup(tables.egressSources.id(number));
  }

  #egressGroup(group: string | undefined): void {
    for (const id of group === undefined ? [] : egressIds(group)) this.egress.add(id);
  }

  /** Without a lease no device is admitted, whatever the other maps hold. */
  #everySource(): void {
    for (const id of this.#model.state.devices.keys()) this.devices.add(id);
    for (const id of this.#model.state.sites.keys()) this.sites.add(id);
    for (const id of this.#model.state.gateways.keys()) this.gateways.add(id);
    for (const id of this.#model.state.egress.keys()) this.egress.add(id);
  }

  #ownerOf(address: string): string | undefined {
    this.#addresses ??= new Map(
      [...this.#model.state.devices.values()].flatMap((device) =>
        device.addresses.map((text) => [addressKey(text).key, device.id]),
      ),
    );
    return this.#addresses.get(address);
  }
}

function chainDifferences(
  model: FirewallModel,
  found: Listing['rules'],
  baseline: Listing['rules'] | null,
): readonly string[] {
  const differences: string[] = [];
  const wanted = ruleset(model.options, model.settings, model.tables.generation);
  const names = new Set(wanted.map(({ name }) => name));
  for (const chain of found.keys()) if (!names.has(chain)) differences.push(`chain ${chain} is not ours`);
  for (const { name: chain, rules: texts } of wanted) {
    const rules = found.get(chain);
    const count = texts.length;
    if (rules?.length !== count) differences.push(`chain ${chain} has ${rules?.length ?? 'no'} rules, not ${count}`);
    else if (baseline && rules.join('\n') !== baseline.get(chain)?.join('\n')) {
      differences.push(`chain ${chain} has other rules than were loaded`);
    }
  }
  return differences;
}

function strayMaps(model: FirewallModel, listing: Listing): string[] {
  const ours = new Set([...MAPS, ...GENERATED_SETS].map(({ name }) => generated(name, model.tables.generation)));
  return [...listing.maps.keys()].filter((name) => !ours.has(name)).map((name) => `map ${name} is not ours`);
}

function isCellMap(map: MapName): boolean {
  return CELL_MAPS.some((name) => name === map);
}

function add(set: Set<string>, id: string | undefined): void {
  if (id !== undefined) set.add(id);
}

function without<T>(items: ReadonlyMap<string, T>, ids: ReadonlySet<string>): ReadonlyMap<string, T> {
  if (ids.size === 0) return new Map(items);
  return new Map([...items].filter(([id]) => !ids.has(id)));
}
