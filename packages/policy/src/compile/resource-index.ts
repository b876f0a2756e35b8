import type { IpRange } from '@sallyport/contract';
import { isEnforced } from '../rules.ts';
import type { WorldResource } from '../types.ts';
import { type Entry, EntryIndex, entriesOf } from './entries.ts';
import { Multimap } from './maps.ts';

/** Resources that packets can be admitted to, by gateway and by address. */
export class ResourceIndex {
  readonly #resources = new Map<string, { resource: WorldResource; entries: readonly Entry[] }>();
  readonly #byGateway = new Multimap();
  #addresses: EntryIndex | null = null;

  get(id: string): WorldResource | undefined {
    return this.#resources.get(id)?.resource;
  }

  set(id: string, resource: WorldResource | null): void {
    const old = this.#resources.get(id);
    for (const gateway of old?.resource.gateways ?? []) this.#byGateway.delete(gateway, id);
    this.#resources.delete(id);
    this.#addresses = null;
    if (resource === null || !isEnforced(resource.type)) return;
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

  /** Every entry of any resource that has an address in a range. */
  overlapping(range: IpRange): Entry[] {
    this.#addresses ??= new EntryIndex(this.#resources.values().flatMap(({ entries }) => entries));
    return this.#addresses.overlapping(range);
  }

  /** Every entry that shares an address with a version of a resource. */
  near(resource: WorldResource): Entry[] {
    return entriesOf(resource).flatMap(({ range }) => this.overlapping(range));
  }
}
