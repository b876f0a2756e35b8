/** Counts members of sources and finds the source with most. Each step takes constant time. */
export class SourceCounts<M> {
  readonly #members = new Map<string, Set<M>>();
  /** Sources by the number of their members. */
  readonly #bySize: Set<string>[] = [];

  count(source: string): number {
    return this.#members.get(source)?.size ?? 0;
  }

  /** Oldest first. */
  of(source: string): Iterable<M> {
    return this.#members.get(source) ?? [];
  }

  greediest(): string | null {
    for (;;) {
      const sources = this.#bySize.at(-1);
      if (sources === undefined) return null;
      const [source] = sources;
      if (source !== undefined) return source;
      this.#bySize.pop();
    }
  }

  add(source: string, member: M): void {
    const members = this.#members.get(source) ?? new Set();
    this.#members.set(source, members);
    this.#resize(source, members, () => members.add(member));
  }

  remove(source: string, member: M): void {
    const members = this.#members.get(source);
    if (members === undefined) return;
    this.#resize(source, members, () => members.delete(member));
    if (members.size === 0) this.#members.delete(source);
  }

  #resize(source: string, members: Set<M>, change: () => void): void {
    this.#bySize[members.size]?.delete(source);
    change();
    if (members.size === 0) return;
    while (this.#bySize.length <= members.size) this.#bySize.push(new Set());
    this.#bySize[members.size]?.add(source);
  }
}
