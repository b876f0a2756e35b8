import type { IpRange } from '@sallyport/ip';
import { isAttachable } from '../../matching.ts';
import type { WorldPolicy, WorldResource } from '../../types.ts';
import { type Entry, EntryIndex, entriesOf } from './entries.ts';
import { Multimap } from './maps.ts';

/** Finds resources by gateway and by address. Internet resources are separate, because no gateway has them attached. */
export class ResourceIndex {
  readonly #resources = new Map<string, { resource: WorldResource; entries: readonly Entry[] }>();
  readonly #byGateway = new Multimap();
  /** Resources with names, by gateway. */
  readonly #naming = new Multimap();
  readonly #internet = new Map<string, readonly Entry[]>();
  #addresses: EntryIndex | null = null;
  #names: { readonly index: EntryIndex; readonly count: number } | null = null;
  #internetAddresses: EntryIndex | null = null;

  /** Returns an attachable resource, or undefined. */
  get(id: string): WorldResource | undefined {
    return this.#resources.get(id)?.resource;
  }

  /** Adds, replaces or (null) removes a resource. */
  set(id: string, resource: WorldResource | null): void {
    const old = this.#resources.get(id);
    for (const gateway of old?.resource.gateways ?? []) {
      this.#byGateway.delete(gateway, id);
      this.#naming.delete(gateway, id);
    }
    this.#resources.delete(id);
    this.#addresses = null;
    this.#names = null;
    this.#internetAddresses = null;
    this.#internet.delete(id);
    if (resource?.type === 'INTERNET') this.#internet.set(id, entriesOf(resource));
    if (resource === null || !isAttachable(resource.type)) return;
    const entries = entriesOf(resource);
    this.#resources.set(id, { resource, entries });
    for (const gateway of resource.gateways) {
      this.#byGateway.add(gateway, id);
      if (entries.some((entry) => isNamed(entry) && isCarried(entry, gateway))) this.#naming.add(gateway, id);
    }
  }

  /** Returns the ids of the resources attached to a gateway. */
  attached(gateway: string): ReadonlySet<string> {
    return this.#byGateway.get(gateway);
  }

  /** Gateways that carry names. */
  get naming(): Iterable<string> {
    return this.#naming.keys();
  }

  /** Returns whether a gateway carries names. */
  hasNames(gateway: string): boolean {
    return this.#naming.get(gateway).size > 0;
  }

  /** Returns the addresses of a resource of a type, without virtual ones. */
  realRanges(id: string, type: WorldPolicy['type']): IpRange[] {
    const entries = type === 'INTERNET' ? (this.#internet.get(id) ?? []) : this.entries(id);
    return entries.filter((entry) => entry.resource.type === type && !isNamed(entry)).map(({ range }) => range);
  }

  /** Returns the entries that a gateway carries. */
  carried(gateway: string): IteratorObject<Entry> {
    return this.attached(gateway)
      .values()
      .flatMap((id) => this.entries(id).filter((entry) => isCarried(entry, gateway)));
  }

  /** Returns the entries of an attachable resource; none when it is unknown. */
  entries(id: string): readonly Entry[] {
    return this.#resources.get(id)?.entries ?? [];
  }

  /** Returns the entries of all attachable resources. */
  all(): IteratorObject<Entry> {
    return this.#resources.values().flatMap(({ entries }) => entries);
  }

  /** Returns the entries of all internet resources. */
  internet(): Entry[] {
    return [...this.#internet.values()].flat();
  }

  /** Returns the entries of internet resources that overlap a range. */
  internetOverlapping(range: IpRange): Entry[] {
    this.#internetAddresses ??= new EntryIndex(this.internet());
    return this.#internetAddresses.overlapping(range);
  }

  /**
   * Returns the entries of attachable resources that overlap a range. A virtual address belongs to its names alone,
   * even if the prefix of another resource contains it.
   */
  overlapping(range: IpRange): Entry[] {
    const names = this.named(range);
    if (names.length > 0) return [...names];
    this.#addresses ??= new EntryIndex(this.all().filter((entry) => !isNamed(entry)));
    return this.#addresses.overlapping(range);
  }

  /** Returns the entries of names whose virtual addresses make up a range; none when it has another address. */
  named(range: IpRange): readonly Entry[] {
    this.#names ??= indexOf(this.all().filter(isNamed).toArray());
    const size = range.last - range.first + 1n;
    if (size > this.#names.count) return [];
    const found = this.#names.index.overlapping(range);
    return BigInt(new Set(found.map((entry) => entry.range.first)).size) === size ? found : [];
  }

  /** Returns the entries of attachable resources that share an address with a version of a resource. */
  near(resource: WorldResource): Entry[] {
    return entriesOf(resource).flatMap(({ range }) => this.overlapping(range));
  }
}

/** Returns whether an entry is the virtual address of a name. */
export const isNamed = ({ address }: Entry): boolean => address.name !== undefined;

/** Returns whether a gateway carries an entry. */
export const isCarried = ({ resource }: Entry, gateway: string): boolean => resource.gateways.includes(gateway);

const indexOf = (entries: readonly Entry[]) => ({ index: new EntryIndex(entries), count: entries.length });
