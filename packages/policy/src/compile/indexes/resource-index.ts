import type { IpRange } from '@sallyport/ip';
import { isAttachable } from '../../matching.ts';
import type { WorldResource } from '../../types.ts';
import { type Entry, EntryIndex, entriesOf } from './entries.ts';
import { Multimap } from './maps.ts';

/** Resources by gateway and by address. Those on the internet are apart: they are attached to no gateway. */
export class ResourceIndex {
  readonly #resources = new Map<string, { resource: WorldResource; entries: readonly Entry[] }>();
  readonly #byGateway = new Multimap();
  readonly #internet = new Map<string, readonly Entry[]>();
  #addresses: EntryIndex | null = null;
  #internetAddresses: EntryIndex | null = null;

  /** A resource that is attachable. */
  get(id: string): WorldResource | undefined {
    return this.#resources.get(id)?.resource;
  }

  set(id: string, resource: WorldResource | null): void {
    const old = this.#resources.get(id);
    for (const gateway of old?.resource.gateways ?? []) this.#byGateway.delete(gateway, id);
    this.#resources.delete(id);
    this.#addresses = null;
    this.#internetAddresses = null;
    this.#internet.delete(id);
    if (resource?.type === 'INTERNET') this.#internet.set(id, entriesOf(resource));
    if (resource === null || !isAttachable(resource.type)) return;
    this.#resources.set(id, { resource, entries: entriesOf(resource) });
    for (const gateway of resource.gateways) this.#byGateway.add(gateway, id);
  }

  /** Ids of the resources attached to a gateway. */
  attached(gateway: string): ReadonlySet<string> {
    return this.#byGateway.get(gateway);
  }

  entries(id: string): readonly Entry[] {
    return this.#resources.get(id)?.entries ?? [];
  }

  /** Entries of all attachable resources. */
  all(): Iterable<Entry> {
    return this.#resources.values().flatMap(({ entries }) => entries);
  }

  /** Entries of the resources on the internet. */
  internet(): Entry[] {
    return [...this.#internet.values()].flat();
  }

  /** Those of them that have an address in a range. */
  internetOverlapping(range: IpRange): Entry[] {
    this.#internetAddresses ??= new EntryIndex(this.internet());
    return this.#internetAddresses.overlapping(range);
  }

  /** Every entry of any attachable resource that has an address in a range. */
  overlapping(range: IpRange): Entry[] {
    this.#addresses ??= new EntryIndex(this.#resources.values().flatMap(({ entries }) => entries));
    return this.#addresses.overlapping(range);
  }

  /** Every entry that shares an address with a version of a resource. */
  near(resource: WorldResource): Entry[] {
    return entriesOf(resource).flatMap(({ range }) => this.overlapping(range));
  }
}
