import type { Work } from '@sallyport/agent-core';
import { bundleAt, type Cell, type ClassItem, type DeviceItem, type StateItem } from '@sallyport/contract/channel';
import { type IpRange, parseAddress, parseRange } from '@sallyport/ip';

type Items = ReadonlyMap<string, StateItem>;

/**
 * Says which device asks, and which names it may ask for: those that its profile opens at the moment. The cost of a
 * change depends on what changed, and that of a query on the device's own grants.
 */
export class Asking {
  #items: Items = new Map();
  readonly #devices = new Map<string, DeviceItem>();
  /** The class that an address had when a query last needed it, and addresses without a class. */
  readonly #classes = new Map<string, string>();
  readonly #classless = new Set<string>();

  /** Takes new items. */
  expect(work: Work): void {
    this.#items = work.kind === 'close' ? new Map() : work.items;
    if (work.kind !== 'change') {
      this.#devices.clear();
      this.#classes.clear();
      this.#classless.clear();
      for (const item of this.#items.values()) this.#add(item);
      return;
    }
    for (const { before } of work.changes) this.#remove(before);
    for (const { after } of work.changes) this.#add(after);
  }

  /** Returns whether a device has an address. */
  knows(source: string): boolean {
    return this.#devices.has(source);
  }

  /** Returns the id of the device at an address. */
  deviceOf(source: string): string | undefined {
    return this.#devices.get(source)?.id;
  }

  /** Returns whether the device at an address may reach any port of a name. */
  mayAsk(source: string, name: string, now: number): boolean {
    const item = this.#items.get(`name/${name}`);
    if (item?.kind !== 'name') return false;
    const classes = new Set(item.addresses.map((address) => this.#classOf(address)));
    return this.#cellsOf(source, now).some((cell) => classes.has(cell.class) && bundleAt(cell, now) !== null);
  }

  /** Returns whether the device at an address may reach anything here. */
  isAdmitted(source: string, now: number): boolean {
    return this.#cellsOf(source, now).some((cell) => bundleAt(cell, now) !== null);
  }

  /**
   * Returns whether the device at an address may reach any port of another address. Nothing is remembered about the
   * address, which a stranger may have chosen.
   */
  mayReach(source: string, address: string, now: number): boolean {
    return this.#cellsOf(source, now).some((cell) => {
      const item = this.#items.get(`class/${cell.class}`);
      return item?.kind === 'class' && contains(item, address) && bundleAt(cell, now) !== null;
    });
  }

  #cellsOf(source: string, now: number): readonly Cell[] {
    const device = this.#devices.get(source);
    const profile = device?.profile == null ? undefined : this.#items.get(`profile/${device.profile}`);
    if (device === undefined || profile?.kind !== 'profile') return [];
    return device.expiresAt !== null && device.expiresAt <= now ? [] : profile.cells;
  }

  #add(item: StateItem | null): void {
    if (item?.kind === 'class') this.#classless.clear();
    if (item?.kind === 'device') for (const address of item.addresses) this.#devices.set(address, item);
  }

  #remove(item: StateItem | null): void {
    if (item?.kind === 'device') for (const address of item.addresses) this.#devices.delete(address);
  }

  /** Classes never overlap, so the class that contains an address is the one, and most addresses keep theirs. */
  #classOf(address: string): string | null {
    const last = this.#items.get(`class/${this.#classes.get(address)}`);
    if (last?.kind === 'class' && contains(last, address)) return last.id;
    if (this.#classless.has(address)) return null;
    for (const item of this.#items.values())
      if (item.kind === 'class' && contains(item, address)) {
        this.#classes.set(address, item.id);
        return item.id;
      }
    this.#classes.delete(address);
    this.#classless.add(address);
    return null;
  }
}

/** Ranges of a class in ascending order, those of IPv4 first. They never overlap. Items never change. */
const sorted = new WeakMap<ClassItem, readonly IpRange[]>();

function rangesOf(item: ClassItem): readonly IpRange[] {
  const known = sorted.get(item);
  if (known !== undefined) return known;
  const ranges = item.ranges.flatMap((text) => parseRange(text) ?? []);
  ranges.sort((a, b) => a.family - b.family || (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  sorted.set(item, ranges);
  return ranges;
}

function contains(item: ClassItem, text: string): boolean {
  const address = parseAddress(text);
  if (address === null) return false;
  const ranges = rangesOf(item);
  const isBefore = ({ family, last }: IpRange) =>
    family < address.family || (family === address.family && last < address.value);
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(ranges[middle] as IpRange)) low = middle + 1;
    else high = middle;
  }
  const found = ranges[low];
  return found !== undefined && found.family === address.family && found.first <= address.value;
}
