/** Names of one message. */
const mostAtOnce = 1_000;
const mostKept = 10_000;

/** Names that devices used while the controller was away. */
export class UsedNames {
  readonly #names = new Set<string>();

  keep(names: readonly string[]): void {
    for (const name of names) if (this.#names.size < mostKept) this.#names.add(name);
  }

  /** Returns what was kept as messages, and forgets it. */
  take(): { type: 'names-used'; names: string[] }[] {
    const names = [...this.#names];
    this.#names.clear();
    return Array.from({ length: Math.ceil(names.length / mostAtOnce) }, (_, part) => ({
      type: 'names-used',
      names: names.slice(part * mostAtOnce, (part + 1) * mostAtOnce),
    }));
  }
}
