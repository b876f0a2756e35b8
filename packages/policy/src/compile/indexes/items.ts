import { type StateDelta, StateHash, type StateItem } from '@sallyport/contract/channel';

/** Items of one gateway with their hash, and what changed since the last `takeDelta`. */
export class ItemStore {
  readonly #items = new Map<string, StateItem>();
  readonly #hash = new StateHash();
  readonly #before = new Map<string, StateItem | null>();
  readonly #sections = new Map<string, ReadonlySet<string>>();

  all(): StateItem[] {
    return [...this.#items.values()];
  }

  get(key: string): StateItem | undefined {
    return this.#items.get(key);
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

  /** Puts the items of a section of the state; those that it had and has no longer go. */
  replace(section: string, items: readonly StateItem[]): void {
    const keys = new Set(items.map(({ key }) => key));
    for (const key of this.#sections.get(section)?.difference(keys) ?? []) this.remove(key);
    for (const item of items) this.put(item);
    if (keys.size > 0) this.#sections.set(section, keys);
    else this.#sections.delete(section);
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
export function same(a: StateItem, b: StateItem): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
