import type { IpRange } from '@sallyport/ip';
import { isAttachable } from '../../matching.ts';
import type { WorldResource } from '../../types.ts';
import { type Entry, EntryIndex, entriesOf } from './entries.ts';
import { Multimap } from './maps.ts';

/** Finds resources by gateway and by address. Internet resources are separate, because no gateway has them attached. */
export class ResourceIndex {
  readonly #resources = new Map<string, { resource: WorldResource; entries: readonly Entry[] }>();
  readonly #byGateway = new Multimap();
  readonly #internet = new Map<string, readonly Entry[]>();
  #addresses: EntryIndex | null = null;
  #internetAddresses: EntryIndex | null = null;

  /** Returns an attachable resource, or undefined. */
  get(id: string): WorldResource | undefined {
    return this.#resources.get(id)?.resource;
  }

  /** Adds, replaces or (null) removes a resource. */
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

  /** Returns the ids of the resources attached to a gateway. */
  attached(gateway: string): ReadonlySet<string> {
    return this.#byGateway.get(gateway);
  }

  /** Returns the entries of an attachable resource; none when it is unknown. */
  entries(id: string): readonly Entry[] {
    return this.#resources.get(id)?.entries ?? [];
  }

  /** Returns the entries of all attachable resources. */
  all(): Iterable<Entry> {
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

  /** Returns the entries of attachable resources that overlap a range. */
  overlapping(range: IpRange): Entry[] {
    this.#addresses ??= new EntryIndex(this.#resources.values().flatMap(({ entries }) => entries));
    return this.#addresses.overlapping(range);
  }

  /** Returns the entries of attachable resources that share an address with a version of a resource. */
  near(resource: WorldResource): Entry[] {
    return entriesOf(resource).flatMap(({ range }) => this.overlapping(range));
  }
}
