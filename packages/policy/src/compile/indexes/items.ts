import { type StateDelta, StateHash, type StateItem } from '@sallyport/contract/channel';
import { mayClose } from './closing.ts';
import { ItemHashes } from './item-hashes.ts';

/** What changed for one gateway. `closes`: it may have to close something. */
export interface GatewayChange {
  readonly delta: StateDelta;
  readonly closes: boolean;
}

/** Stores the items of one gateway with their hash, and what changed since the last `takeDelta`. */
export class ItemStore {
  readonly #items = new Map<string, StateItem>();
  readonly #hash = new StateHash();
  readonly #before = new Map<string, StateItem | null>();
  readonly #sections = new Map<string, ReadonlySet<string>>();
  readonly #hashes: ItemHashes;

  /** `hashes`: those that several stores share. */
  constructor(hashes = new ItemHashes()) {
    this.#hashes = hashes;
  }

  /** Returns all items. */
  all(): StateItem[] {
    return [...this.#items.values()];
  }

  /** Returns the item with a key, or undefined. */
  get(key: string): StateItem | undefined {
    return this.#items.get(key);
  }

  /** The hash of all items, as `StateHash` computes it. */
  get hash(): string {
    return this.#hash.toString();
  }

  /** Adds or replaces an item. */
  put(item: StateItem): void {
    const old = this.#items.get(item.key);
    if (old !== undefined && same(old, item)) return;
    this.#remember(item.key, old);
    if (old !== undefined) this.#hash.remove(old, this.#hashes.of(old));
    this.#hash.add(item, this.#hashes.of(item));
    this.#items.set(item.key, item);
  }

  /** Removes the item with a key, if there is one. */
  remove(key: string): void {
    const old = this.#items.get(key);
    if (old === undefined) return;
    this.#remember(key, old);
    this.#hash.remove(old, this.#hashes.of(old));
    this.#items.delete(key);
  }

  /** Puts all items of a section of the state. Former items of the section that are missing now are removed. */
  replace(section: string, items: readonly StateItem[]): void {
    const keys = new Set(items.map(({ key }) => key));
    for (const key of this.#sections.get(section)?.difference(keys) ?? []) this.remove(key);
    for (const item of items) this.put(item);
    if (keys.size > 0) this.#sections.set(section, keys);
    else this.#sections.delete(section);
  }

  /** Returns the difference to the state at the last call, or null when nothing changed. */
  takeDelta(): GatewayChange | null {
    const upserts: StateItem[] = [];
    const removes: string[] = [];
    let closes = false;
    for (const [key, before] of this.#before) {
      const now = this.#items.get(key);
      if (now === undefined) {
        if (before === null) continue;
        removes.push(key);
      } else {
        if (before !== null && same(before, now)) continue;
        upserts.push(now);
      }
      closes ||= before !== null && mayClose(before, now);
    }
    this.#before.clear();
    return upserts.length + removes.length === 0 ? null : { delta: { upserts, removes }, closes };
  }

  #remember(key: string, old: StateItem | undefined): void {
    if (!this.#before.has(key)) this.#before.set(key, old ?? null);
  }
}

/** Returns whether two items are equal. Items have one canonical form with sorted lists, so equal content is equal. */
export function same(a: StateItem, b: StateItem): boolean {
  return equal(a, b);
}

/** Compares values as their JSON texts would: a field without a value is no field. */
function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (!isObject(a) || !isObject(b)) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  for (const key in a) if (!equal(a[key], b[key])) return false;
  for (const key in b) if (b[key] !== undefined && a[key] === undefined) return false;
  return true;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
