const nothing: ReadonlySet<never> = new Set();

/** Sets of values by key. A key without values is absent. */
export class Multimap<V = string> {
  readonly #sets = new Map<string, Set<V>>();

  /** Returns a multimap with the values of several. */
  static union<V = string>(maps: Iterable<ReadonlyMultimap<V>>): Multimap<V> {
    const union = new Multimap<V>();
    for (const map of maps)
      for (const [key, values] of map.entries()) for (const value of values) union.add(key, value);
    return union;
  }

  /** Returns the keys that have a value. */
  keys(): Iterable<string> {
    return this.#sets.keys();
  }

  /** Returns each key with its values. */
  entries(): Iterable<[string, ReadonlySet<V>]> {
    return this.#sets.entries();
  }

  /** Returns the values of a key; an empty set when it is absent. */
  get(key: string): ReadonlySet<V> {
    return this.#sets.get(key) ?? (nothing as ReadonlySet<V>);
  }

  /** Adds a value to a key. */
  add(key: string, value: V): void {
    computed(this.#sets, key, () => new Set()).add(value);
  }

  /** Removes a value from a key. */
  delete(key: string, value: V): void {
    const set = this.#sets.get(key);
    if (set?.delete(value) === true && set.size === 0) this.#sets.delete(key);
  }
}

/** A multimap that its holder only reads. */
export type ReadonlyMultimap<V = string> = Pick<Multimap<V>, 'keys' | 'entries' | 'get'>;

/** Returns the value of a key. A missing value is made and stored first. */
export function computed<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined || map.has(key)) return known as V;
  const made = make();
  map.set(key, made);
  return made;
}

/** Counts the holders of each key. */
export class References {
  readonly #counts = new Map<string, number>();

  /** Returns whether a key has a holder. */
  has(key: string): boolean {
    return this.#counts.has(key);
  }

  /** Adds a holder. Returns whether it is the first one. */
  add(key: string): boolean {
    const count = this.#counts.get(key) ?? 0;
    this.#counts.set(key, count + 1);
    return count === 0;
  }

  /** Removes a holder. Returns whether it was the last one. */
  drop(key: string): boolean {
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
    return count <= 1;
  }
}
