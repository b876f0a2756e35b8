/** Sets by key; empty ones are not kept. */
export class Multimap<V = string> {
  readonly #sets = new Map<string, Set<V>>();

  keys(): Iterable<string> {
    return this.#sets.keys();
  }

  get(key: string): ReadonlySet<V> {
    return this.#sets.get(key) ?? new Set();
  }

  add(key: string, value: V): void {
    computed(this.#sets, key, () => new Set()).add(value);
  }

  delete(key: string, value: V): void {
    const set = this.#sets.get(key);
    if (set?.delete(value) === true && set.size === 0) this.#sets.delete(key);
  }
}

/** Value of a key, made when it is not there yet. */
export function computed<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined || map.has(key)) return known as V;
  const made = make();
  map.set(key, made);
  return made;
}

/** How many hold each key. */
export class References {
  readonly #counts = new Map<string, number>();

  has(key: string): boolean {
    return this.#counts.has(key);
  }

  /** True when this is the first. */
  add(key: string): boolean {
    const count = this.#counts.get(key) ?? 0;
    this.#counts.set(key, count + 1);
    return count === 0;
  }

  /** True when this was the last. */
  drop(key: string): boolean {
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
    return count <= 1;
  }
}
