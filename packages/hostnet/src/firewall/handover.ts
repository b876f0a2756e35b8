import { parseAddress, parseRange } from '../ip.ts';
import type { TouchedMap } from './check.ts';
import type { ElementChange, Elements } from './elements.ts';
import { classNumber } from './registers.ts';
import type { MapName } from './ruleset.ts';
import type { Tables } from './tables.ts';

/**
 * Finds the deletions of a change that wait for a second transaction, so that a packet whose access stays finds it at
 * every moment.
 *
 * The kernel puts all deletions of a transaction in force at one moment, and new ranges a moment later. A packet in
 * between finds the old range, and the number that the old range leads to must still lead to access. So an element
 * waits if its replacement gives exactly the same access. An element that takes access away never waits. Nor does one
 * wait while other ranges lose access: until the new ranges are in force, it would prolong the access of those.
 */
export class Handover {
  readonly #tables: Tables;
  /** Ranges that no longer lead to a number, by number. */
  readonly #gone = new Map<string, Span[]>();
  /** New ranges with their numbers, by space, in order. */
  readonly #come = new Map<MapName, Target[]>();
  /** Spaces in which ranges lose access only when the new ranges are in force. */
  readonly #losing = new Set<MapName>();
  readonly #present = new Map<MapName, ReadonlySet<string>>();
  readonly #successors = new Map<string, readonly string[] | null>();
  readonly #waiting = new Map<string, ReadonlySet<string>>();

  /** `tables` hold the wanted elements. `touched` lists how they differ from the elements in force. */
  constructor(tables: Tables, touched: readonly TouchedMap[]) {
    this.#tables = tables;
    for (const { map, changes } of touched) {
      const space = SPACES.get(map.name);
      if (space !== undefined) for (const change of changes) this.#note(space, change);
    }
    if (this.#gone.size === 0) return;
    for (const targets of this.#come.values()) targets.sort((a, b) => (a.first < b.first ? -1 : 1));
    for (const [number, spans] of this.#gone)
      for (const span of spans) if (!this.#isHandedOver(number, span)) this.#losing.add(span.space);
    const numbered = touched.filter(({ map }) => !SPACES.has(map.name));
    for (const { map, changes } of numbered) this.#choose(map, changes, (change) => this.#isReplaced(map, change));
    const kept = this.#keptNumbers(numbered);
    for (const { map, changes } of touched)
      if (HOSTS.has(map.name)) this.#choose(map, changes, (change) => this.#isCovered(map, change, kept));
  }

  /** Returns whether the element stays until the rest of the change is in force. */
  waits(map: Elements, { key }: ElementChange): boolean {
    return this.#waiting.get(map.name)?.has(key) ?? false;
  }

  #note(space: MapName, { key, before, after }: ElementChange): void {
    if (before?.value === after?.value) return;
    const span = { space, ...endsOf(space, key) };
    if (before?.value) push(this.#gone, before.value, span);
    if (after?.value) push(this.#come, space, { ...span, number: after.value });
  }

  #choose({ name }: Elements, changes: readonly ElementChange[], waits: (change: ElementChange) => boolean): void {
    const keys = changes.filter((change) => change.after === null && waits(change)).map(({ key }) => key);
    if (keys.length > 0) this.#waiting.set(name, new Set(keys));
  }

  /** Returns whether every replacement of the deleted element is present and equal. */
  #isReplaced(map: Elements, { key, before }: ElementChange): boolean {
    const [first = null, second] = key.split(' . ').map((number) => this.#successorsOf(number));
    if (before === null || first === null || second === null) return false;
    const spans = key.split(' . ').flatMap((number) => this.#gone.get(number) ?? []);
    if (!spans.every(({ space }) => this.#isAlone(space))) return false;
    const keys = second === undefined ? first : first.flatMap((a) => second.map((b) => `${a} . ${b}`));
    return keys.every((next) => {
      const element = map.current.get(next);
      return element !== undefined && element.value === before.value && element.expiresAt === before.expiresAt;
    });
  }

  /** Returns the numbers whose deleted elements all wait. */
  #keptNumbers(touched: readonly TouchedMap[]): ReadonlySet<string> {
    const kept = new Set<string>();
    const lost = new Set<string>();
    for (const { map, changes } of touched)
      for (const change of changes)
        if (change.after === null)
          for (const number of change.key.split(' . ')) (this.waits(map, change) ? kept : lost).add(number);
    return kept.difference(lost);
  }

  /** Returns whether a new range gives the same access to a deleted single address. */
  #isCovered(map: Elements, { key, before }: ElementChange, kept: ReadonlySet<string>): boolean {
    const space = SPACES.get(map.name) as MapName;
    const number = before?.value;
    const [cover] = this.#covering({ space, ...endsOf(space, key) }) ?? [];
    if (!number || cover === undefined || !this.#isAlone(space)) return false;
    // Without this check, a cell of the old class could outlive the address's own access.
    const isFree = this.#tables.classes.id(classNumber(number)) === undefined;
    return cover === number || (isFree && kept.has(number));
  }

  /** Returns whether no packet with a range of this space can have a range that loses access in another space. */
  #isAlone(space: MapName): boolean {
    return this.#losing.values().every((other) => other === space || isOtherKind(other, space));
  }

  /** Returns whether the new ranges lead to the same number, or to new numbers in the place of one that disappears. */
  #isHandedOver(number: string, span: Span): boolean {
    const covering = this.#covering(span);
    if (covering === null) return false;
    return covering.every((each) => each === number) || !this.#numbersIn(span.space).has(number);
  }

  /**
   * Returns the numbers that the ranges of a number lead to now. These are the number itself if it has any range left.
   * Returns null if some address leads nowhere.
   */
  #successorsOf(number: string): readonly string[] | null {
    const known = this.#successors.get(number);
    if (known !== undefined) return known;
    const found = this.#findSuccessors(number);
    this.#successors.set(number, found);
    return found;
  }

  #findSuccessors(number: string): readonly string[] | null {
    const spans = this.#gone.get(number);
    if (spans === undefined || spans.some(({ space }) => this.#numbersIn(space).has(number))) return [number];
    const parts = spans.map((span) => this.#covering(span));
    return parts.some((part) => part === null) ? null : [...new Set(parts.flatMap((part) => part ?? []))];
  }

  /** Returns the numbers of the new ranges that cover a span together, or null if they leave a gap. */
  #covering({ space, first, last }: Span): readonly string[] | null {
    const targets = this.#come.get(space) ?? [];
    const numbers: string[] = [];
    let next = first;
    for (let i = firstEndingFrom(targets, first); next <= last; i++) {
      const target = targets[i];
      if (target === undefined || target.first > next) return null;
      numbers.push(target.number);
      next = target.last + 1n;
    }
    return numbers;
  }

  /** Returns all numbers that the elements of a space lead to. */
  #numbersIn(space: MapName): ReadonlySet<string> {
    const known = this.#present.get(space);
    if (known !== undefined) return known;
    const maps = Object.values(this.#tables.maps).filter(({ name }) => SPACES.get(name) === space);
    const found = new Set(maps.flatMap((map) => [...map.current.values()].map(({ value }) => value ?? '')));
    this.#present.set(space, found);
    return found;
  }
}

interface Span {
  readonly space: MapName;
  readonly first: bigint;
  readonly last: bigint;
}

interface Target extends Span {
  readonly number: string;
}

const HOSTS: ReadonlySet<string> = new Set<MapName>(['hosts4', 'hosts6']);

/**
 * The maps that lead from addresses or ports to numbers, each with its space. Single addresses and ranges of one
 * family are one space.
 */
const SPACES: ReadonlyMap<string, MapName> = new Map([
  ...(['sites4', 'sites6', 'classes4', 'classes6', 'tcp_ports', 'udp_ports'] as const).map(itself),
  ...(['egress_sources4', 'egress_sources6', 'egress_destinations4', 'egress_destinations6'] as const).map(itself),
  ['hosts4', 'classes4'],
  ['hosts6', 'classes6'],
]);

function itself(name: MapName): [MapName, MapName] {
  return [name, name];
}

/** Returns whether no packet belongs to both spaces: it has one family of addresses and at most one kind of ports. */
function isOtherKind(a: MapName, b: MapName): boolean {
  const isPorts = a.endsWith('_ports') && b.endsWith('_ports');
  return isPorts || (/[46]$/.test(a) && /[46]$/.test(b) && a.at(-1) !== b.at(-1));
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

function endsOf(space: MapName, key: string): { readonly first: bigint; readonly last: bigint } {
  if (space === 'tcp_ports' || space === 'udp_ports') {
    const [first = '', last = ''] = key.split('-');
    return { first: BigInt(first), last: BigInt(last) };
  }
  if (key.includes('-')) return parseRange(key);
  const { value } = parseAddress(key);
  return { first: value, last: value };
}

/** Returns the index of the first target that ends at this value or later. The targets are disjoint and in order. */
function firstEndingFrom(targets: readonly Target[], value: bigint): number {
  let low = 0;
  let high = targets.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((targets[middle] as Target).last < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
