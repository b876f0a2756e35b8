import { bundleAt, type DeviceItem, type StateItem } from '@sallyport/contract/channel';
import { parseAddress, parseRange, rangeContains } from '@sallyport/ip';

type Items = ReadonlyMap<string, StateItem>;

/** Says which device asks, and which names it may ask for: those that its profile opens at the moment. */
export class Asking {
  readonly #items: Items;
  #devices: Map<string, DeviceItem> | null = null;

  constructor(items: Items) {
    this.#items = new Map(items);
  }

  /** Returns whether a device has an address. */
  knows(source: string): boolean {
    return this.#deviceAt(source) !== undefined;
  }

  /** Returns whether the device at an address may reach any port of a name. */
  mayAsk(source: string, name: string, now: number): boolean {
    const device = this.#deviceAt(source);
    const item = this.#items.get(`name/${name}`);
    const profile = device?.profile == null ? undefined : this.#items.get(`profile/${device.profile}`);
    if (device === undefined || item?.kind !== 'name' || profile?.kind !== 'profile') return false;
    if (device.expiresAt !== null && device.expiresAt <= now) return false;
    return profile.cells.some((cell) => bundleAt(cell, now) !== null && this.#holds(cell.class, item.addresses));
  }

  #holds(id: string, addresses: readonly string[]): boolean {
    const item = this.#items.get(`class/${id}`);
    if (item?.kind !== 'class') return false;
    const ranges = item.ranges.flatMap((text) => parseRange(text) ?? []);
    return addresses.some((text) => {
      const address = parseAddress(text);
      return address !== null && ranges.some((range) => rangeContains(range, address.family, address.value));
    });
  }

  #deviceAt(source: string): DeviceItem | undefined {
    this.#devices ??= new Map(
      [...this.#items.values()].flatMap((item) =>
        item.kind === 'device' ? item.addresses.map((address) => [address, item] as const) : [],
      ),
    );
    return this.#devices.get(source);
  }
}
