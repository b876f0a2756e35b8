import { type StateDelta, StateHash, type StateItem } from '@sallyport/contract/channel';

/** Items of one gateway with their hash, and what changed since the last `takeDelta`. */
export class ItemStore {
  readonly #items = new Map<string, StateItem>();
  readonly #hash = new StateHash();
  readonly #before = new Map<string, StateItem | null>();

  all(): StateItem[] {
    return [...this.#items.values()];
  }

  get hash(): string {
    return this.#hash.toString();
  }

  put(item: StateItem): void {
    const old = this.#items.get(item.key);
    if (old !== undefined && same(old, item)) return;
    this.#remember(item.key, old);
    if (old !== undefined) this.#hash.remove(old);
    this.#hash.add(item);
    this.#items.set(item.key, item);
  }

  remove(key: string): void {
    const old = this.#items.get(key);
    if (old === undefined) return;
    this.#remember(key, old);
    this.#hash.remove(old);
    this.#items.delete(key);
  }

  /** Difference to the state at the last call, or null when there is none. */
  takeDelta(): StateDelta | null {
    const upserts: StateItem[] = [];
    const removes: string[] = [];
    for (const [key, before] of this.#before) {
      const now = this.#items.get(key);
      if (now === undefined) {
        if (before !== null) removes.push(key);
      } else if (before === null || !same(before, now)) upserts.push(now);
    }
    this.#before.clear();
    return upserts.length + removes.length === 0 ? null : { upserts, removes };
  }

  #remember(key: string, old: StateItem | undefined): void {
    if (!this.#before.has(key)) this.#before.set(key, old ?? null);
  }
}

/** Items are made in one canonical form, lists sorted, so equal content is equal text. */
function same(a: StateItem, b: StateItem): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
