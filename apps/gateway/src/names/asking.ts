import { bundleAt, type DeviceItem, type StateItem } from '@sallyport/contract/channel';
import { type Family, type IpRange, parseAddress, parseRange } from '@sallyport/ip';

type Items = ReadonlyMap<string, StateItem>;

/**
 * Says which device asks, and which names it may ask for: those that its profile opens at the moment. The indexes are
 * made by the first query after a change.
 */
export class Asking {
  readonly #items: () => Items;
  #devices: ReadonlyMap<string, DeviceItem> | null = null;
  #classes: ReadonlyMap<Family, readonly ClassRange[]> | null = null;

  constructor(items: () => Items) {
    this.#items = items;
  }

  /** To be called after the items changed. */
  forget(): void {
    this.#devices = null;
    this.#classes = null;
  }

  /** Returns whether a device has an address. */
  knows(source: string): boolean {
    return this.#deviceAt(source) !== undefined;
  }

  /** Returns whether the device at an address may reach any port of a name. */
  mayAsk(source: string, name: string, now: number): boolean {
    const device = this.#deviceAt(source);
    const item = this.#items().get(`name/${name}`);
    const profile = device?.profile == null ? undefined : this.#items().get(`profile/${device.profile}`);
    if (device === undefined || item?.kind !== 'name' || profile?.kind !== 'profile') return false;
    if (device.expiresAt !== null && device.expiresAt <= now) return false;
    const classes = new Set(item.addresses.map((address) => this.#classOf(address)));
    return profile.cells.some((cell) => classes.has(cell.class) && bundleAt(cell, now) !== null);
  }

  #classOf(text: string): string | null {
    const address = parseAddress(text);
    if (address === null) return null;
    this.#classes ??= classRanges(this.#items());
    const ranges = this.#classes.get(address.family) ?? [];
    let low = 0;
    let high = ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((ranges[middle] as ClassRange).last < address.value) low = middle + 1;
      else high = middle;
    }
    const found = ranges[low];
    return found !== undefined && found.first <= address.value ? found.id : null;
  }

  #deviceAt(source: string): DeviceItem | undefined {
    this.#devices ??= new Map(
      this.#items()
        .values()
        .flatMap((item) => (item.kind === 'device' ? item.addresses.map((address) => [address, item] as const) : [])),
    );
    return this.#devices.get(source);
  }
}

interface ClassRange extends IpRange {
  readonly id: string;
}

/** Ranges of all classes in ascending order. They never overlap. */
function classRanges(items: Items): ReadonlyMap<Family, readonly ClassRange[]> {
  const all = items
    .values()
    .flatMap((item) =>
      item.kind === 'class'
        ? item.ranges.flatMap((text) => {
            const range = parseRange(text);
            return range === null ? [] : [{ ...range, id: item.id }];
          })
        : [],
    )
    .toArray();
  all.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  return Map.groupBy(all, ({ family }) => family);
}
