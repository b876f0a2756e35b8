import { HostNetError } from '../errors.ts';
import type {
  AddressClass,
  Bundle,
  Egress,
  FirewallDevice,
  FirewallState,
  NamesChange,
  PeerGateway,
  Profile,
  Site,
} from '../types.ts';
import type { TouchedMap } from './check.ts';
import { combineChanges, type ElementChange, type Elements } from './elements.ts';
import { Handover } from './handover.ts';
import { freeGeneration, type Inventory, type LoadTexts, loadTexts } from './load.ts';
import { renderChanges } from './render.ts';
import type { FirewallOptions, FirewallSettings } from './ruleset.ts';
import { settingsOf, switchSettings, tableName } from './ruleset.ts';
import type { FirewallDelta, FirewallItems, ItemKind } from './state.ts';
import { checkDelta, ITEM_KINDS } from './state.ts';
import { Tables } from './tables.ts';

/**
 * Turns wanted state into nft text and remembers the numbering of the text. The class is pure: the caller hands the
 * text to the kernel, and calls `reload` if the kernel refuses it.
 */
export class FirewallModel {
  readonly options: FirewallOptions;
  #state: HeldState = emptyState();
  #tables: Tables;
  #sound = false;
  #touched: readonly TouchedMap[] = [];
  /** Whether the last text filled all maps. */
  #filled = false;

  constructor(options: FirewallOptions) {
    tableName(options.interface);
    this.options = options;
    this.#tables = new Tables('a', options.overlay);
  }

  /** The state that the last text describes. */
  get state(): FirewallState {
    return this.#state;
  }

  /** The elements that the last change touched; empty after a load. */
  get touched(): readonly TouchedMap[] {
    return this.#touched;
  }

  /** The part of the state that decides the rules. */
  get settings(): FirewallSettings {
    return settingsOf(this.#state, this.#tables.onward);
  }

  get tables(): Tables {
    return this.#tables;
  }

  /**
   * Returns texts that give the table this state, whatever it held before. `existing` is the kernel's content under
   * the table's name (null: no table). Numbering starts from the beginning. Throws `invalid-state`.
   */
  load(state: FirewallState, now: number, existing: Inventory | null): LoadTexts {
    this.#sound = false;
    this.#state = emptyState();
    this.#tables = new Tables(freeGeneration(existing), this.options.overlay);
    this.#apply(wholeDelta(state));
    this.#tables.counters.takeChanges();
    for (const map of Object.values(this.#tables.maps)) map.takeChanges();
    this.#touched = [];
    this.#filled = true;
    this.#sound = true;
    return loadTexts(this.options, this.settings, this.#tables, existing, now);
  }

  /** Returns the load texts for the current state, for use after a change that the kernel refused. */
  reload(now: number, existing: Inventory | null): LoadTexts {
    return this.load(this.#state, now, existing);
  }

  /**
   * Returns texts that touch only the differences. Removing an absent item is no error. Throws `invalid-state`. If items
   * contradict each other (two claim one address), the model must be loaded again before the next change.
   */
  change(delta: FirewallDelta, now: number): ChangeTexts {
    if (!this.#sound) throw new HostNetError('invalid-state', 'no state is loaded');
    checkDelta(delta);
    const before = this.settings;
    this.#sound = false;
    const fresh = this.#freshBundles(delta);
    for (const bundle of fresh) this.#insert('bundles', bundle, (t) => t.insertBundle(bundle));
    const prepared = this.#takeChanges();
    const prepare = this.#render(prepared, now).lines;
    this.#apply({ ...delta, upsert: { ...delta.upsert, bundles: without(delta.upsert?.bundles ?? [], fresh) } });
    const rest = this.#takeChanges();
    const whole = combine(prepared, rest);
    const isApart = fresh.length > 0 && (movesPorts(prepared) || movesPorts(rest));
    const { lines, ending } = this.#render(isApart ? rest : whole, now);
    lines.push(...switchSettings(this.options, this.#tables.generation, before, this.settings));
    this.#touched = whole.touched;
    this.#filled = false;
    this.#sound = true;
    return { prepare: isApart ? script(prepare) : null, commit: script(lines), cleanup: script(ending) };
  }

  /** Returns text that sets all timeouts of the last text again, as of `now`; null if that text set none. */
  retime(now: number): string | null {
    const table = `inet ${tableName(this.options.interface)}`;
    const lines = this.#lastSet().flatMap(({ map, changes }) => renderChanges(table, map, changes, now));
    return script(lines);
  }

  #lastSet(): TouchedMap[] {
    const all = Object.values(this.#tables.maps).filter(({ timed }) => timed);
    const touched = this.#filled
      ? all.map((map) => ({ map, elements: [...map.current] }))
      : this.#touched.map(({ map, changes }) => ({
          map,
          elements: changes.map(({ key, after }) => [key, after] as const),
        }));
    return touched.map(({ map, elements }) => ({
      map,
      changes: elements.flatMap(([key, element]) =>
        element?.expiresAt == null ? [] : [{ key, before: element, after: element }],
      ),
    }));
  }

  /** Removes every touched item before it inserts any, so that an address can move between items. */
  #apply(delta: FirewallDelta): void {
    checkDelta(delta);
    const internet = delta.settings?.near === undefined ? [] : this.#internetClasses(delta);
    for (const { id } of internet) this.#withdraw('classes', id);
    for (const kind of ITEM_KINDS) {
      for (const id of delta.remove?.[kind] ?? []) this.#withdraw(kind, id);
      for (const { id } of delta.upsert?.[kind] ?? []) this.#withdraw(kind, id);
    }
    if (delta.settings?.near !== undefined) this.#tables.setNear(delta.settings.near);
    for (const item of internet) this.#insert('classes', item, (t) => t.insertClass(item));
    for (const device of delta.upsert?.devices ?? []) this.#insert('devices', device, (t) => t.insertDevice(device));
    for (const site of delta.upsert?.sites ?? []) this.#insert('sites', site, (t) => t.insertSite(site));
    for (const item of delta.upsert?.gateways ?? []) this.#insert('gateways', item, (t) => t.insertGateway(item));
    for (const item of delta.upsert?.egress ?? []) this.#insert('egress', item, (t) => t.insertEgress(item));
    for (const item of delta.upsert?.classes ?? []) this.#insert('classes', item, (t) => t.insertClass(item));
    for (const profile of delta.upsert?.profiles ?? [])
      this.#insert('profiles', profile, (t) => t.insertProfile(profile));
    for (const bundle of delta.upsert?.bundles ?? []) this.#insert('bundles', bundle, (t) => t.insertBundle(bundle));
    const { names, ...settings } = delta.settings ?? {};
    if (names !== undefined) this.#setNames(names);
    Object.assign(this.#state, settings);
    if (delta.settings?.leaseUntil !== undefined) this.#tables.setLease(delta.settings.leaseUntil);
    this.#tables.settle();
  }

  #setNames(changes: NamesChange | null): void {
    const names = this.#state.names ?? new Map<string, string>();
    for (const [virtual, real] of changes ?? [...names.keys()].map((virtual) => [virtual, null] as const)) {
      this.#tables.setName(virtual, real);
      if (real === null) names.delete(virtual);
      else names.set(virtual, real);
    }
    if (changes === null) delete this.#state.names;
    else this.#state.names = names;
  }

  /** Returns the items that stay but need a new split. */
  #internetClasses(delta: FirewallDelta): AddressClass[] {
    const touched = new Set([...(delta.remove?.classes ?? []), ...(delta.upsert?.classes ?? []).map(({ id }) => id)]);
    return [...this.#state.classes.values()].filter(({ id, internet }) => internet && !touched.has(id));
  }

  #insert<K extends ItemKind>(kind: K, item: FirewallItems[K][number], into: (tables: Tables) => void): void {
    const items = this.#state[kind] as Map<string, FirewallItems[K][number]>;
    if (items.has(item.id)) throw new HostNetError('invalid-state', `${kind}: ${item.id} is given twice`);
    into(this.#tables);
    items.set(item.id, item);
  }

  #withdraw(kind: ItemKind, id: string): void {
    const tables = this.#tables;
    const item = this.#state[kind].get(id);
    if (!item) return;
    this.#state[kind].delete(id);
    if (kind === 'devices') tables.withdrawDevice(item as FirewallDevice);
    else if (kind === 'sites') tables.withdrawSite(item as Site);
    else if (kind === 'gateways') tables.withdrawGateway(item as PeerGateway);
    else if (kind === 'egress') tables.withdrawEgress(item as Egress);
    else if (kind === 'classes') tables.withdrawClass(item as AddressClass);
    else if (kind === 'profiles') tables.withdrawProfile(item as Profile);
    else tables.withdrawBundle(item as Bundle);
  }

  /**
   * Returns new bundles that no cell leads to yet. Their ports can be in force before the cells change. Otherwise a
   * packet could find its new bundle and the old range of its port, which may have no number in that bundle.
   */
  #freshBundles({ upsert, remove }: FirewallDelta): Bundle[] {
    const isKnown = (id: string) => this.#tables.bundles.has(id) || remove?.bundles?.includes(id) === true;
    return (upsert?.bundles ?? []).filter(({ id }) => !isKnown(id));
  }

  #takeChanges(): Changes {
    const touched = Object.values(this.#tables.maps).map((map) => ({ map, changes: map.takeChanges() }));
    return {
      counters: this.#tables.counters.takeChanges(),
      touched: touched.filter(({ changes }) => changes.length > 0),
    };
  }

  /** Counters are added before the elements that refer to them, and removed after those. */
  #render({ counters, touched }: Changes, now: number): { lines: string[]; ending: string[] } {
    const table = `inet ${tableName(this.options.interface)}`;
    const handover = new Handover(this.#tables, touched);
    const lines = counters.filter(({ after }) => after).map(({ key }) => `add counter ${table} ${key}`);
    const ending: string[] = [];
    for (const { map, changes } of touched) {
      const [first, last] = divide(changes, (change) => handover.waits(map, change));
      lines.push(...renderChanges(table, map, first, now));
      ending.push(...renderChanges(table, map, last, now));
    }
    for (const { key } of counters.filter(({ before }) => before)) lines.push(`delete counter ${table} ${key}`);
    return { lines, ending };
  }
}

/** A change, as transactions that are applied in this order. Each is null if it has nothing to do. */
export interface ChangeTexts {
  /** Puts ports of new bundles in force. It changes no decision. */
  readonly prepare: string | null;
  readonly commit: string | null;
  /** Deletes elements that have a replacement by now. It changes no decision. */
  readonly cleanup: string | null;
}

/** Returns the texts of a change in their order. */
export function inOrder({ prepare, commit, cleanup }: ChangeTexts): string[] {
  return [prepare, commit, cleanup].filter((text) => text !== null);
}

/** What changed in the counters and in the maps. */
interface Changes {
  readonly counters: readonly ElementChange[];
  readonly touched: readonly TouchedMap[];
}

/** Returns two changes in a row as one. */
function combine(first: Changes, second: Changes): Changes {
  const maps = new Set([...first.touched, ...second.touched].map(({ map }) => map));
  const of = ({ touched }: Changes, map: Elements) => touched.find((each) => each.map === map)?.changes ?? [];
  return {
    counters: combineChanges(first.counters, second.counters),
    touched: [...maps].map((map) => ({ map, changes: combineChanges(of(first, map), of(second, map)) })),
  };
}

/** Returns whether ranges of ports lose their number. */
function movesPorts({ touched }: Changes): boolean {
  const ports = touched.filter(({ map }) => map.name === 'tcp_ports' || map.name === 'udp_ports');
  return ports.some(({ changes }) => changes.some(({ before }) => before !== null));
}

function divide<T>(items: readonly T[], isLast: (item: T) => boolean): [T[], T[]] {
  return [items.filter((item) => !isLast(item)), items.filter(isLast)];
}

function without<T>(items: readonly T[], taken: readonly T[]): readonly T[] {
  const left = new Set(taken);
  return items.filter((item) => !left.has(item));
}

function script(lines: readonly string[]): string | null {
  return lines.length === 0 ? null : `${lines.join('\n')}\n`;
}

interface HeldState extends FirewallState {
  names?: Map<string, string>;
  readonly devices: Map<string, FirewallDevice>;
  readonly sites: Map<string, Site>;
  readonly gateways: Map<string, PeerGateway>;
  readonly egress: Map<string, Egress>;
  readonly classes: Map<string, AddressClass>;
  readonly profiles: Map<string, Profile>;
  readonly bundles: Map<string, Bundle>;
}

function emptyState(): HeldState {
  return {
    masquerade: false,
    draining: false,
    leaseUntil: 0,
    devices: new Map(),
    sites: new Map(),
    gateways: new Map(),
    egress: new Map(),
    classes: new Map(),
    profiles: new Map(),
    bundles: new Map(),
  };
}

function wholeDelta(state: FirewallState): FirewallDelta {
  const { masquerade, draining, leaseUntil, transit, near, names } = state;
  const facts = { ...(transit && { transit }), ...(near && { near }), ...(names && { names }) };
  return {
    settings: { masquerade, draining, leaseUntil, ...facts },
    upsert: {
      devices: [...state.devices.values()],
      sites: [...state.sites.values()],
      gateways: [...state.gateways.values()],
      egress: [...state.egress.values()],
      classes: [...state.classes.values()],
      profiles: [...state.profiles.values()],
      bundles: [...state.bundles.values()],
    },
  };
}
