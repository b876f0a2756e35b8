import { itemHash, type StateItem } from '@sallyport/contract/channel';

/** Items whose hash is remembered: the former and the present item about one device, and some room. */
const remembered = 8;

/**
 * Hashes of the items that were asked for last. Gateways share items, and a change puts one item into the states of many
 * gateways in a row.
 */
export class ItemHashes {
  readonly #known = new Map<StateItem, bigint>();

  /** Returns the hash of an item. */
  of(item: StateItem): bigint {
    const known = this.#known.get(item);
    if (known !== undefined) return known;
    const hash = itemHash(item);
    if (this.#known.size === remembered) this.#known.clear();
    this.#known.set(item, hash);
    return hash;
  }
}
