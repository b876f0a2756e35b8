/** Moments at which names were told to the controller as used. */
const tellAgainMs = 6 * 3_600_000;
const tellEveryMs = 60_000;
/** Names of one message. */
const mostAtOnce = 1_000;
const mostKept = 50_000;

/**
 * Tells the controller which names devices use, so that it keeps their addresses. Many uses are one message, and each
 * name is told again only after hours.
 */
export class NameUses {
  readonly #tell: (names: readonly string[]) => void;
  readonly #now: () => number;
  readonly #told = new Map<string, number>();
  readonly #fresh = new Set<string>();
  #timer: NodeJS.Timeout | null = null;

  constructor(tell: (names: readonly string[]) => void, now: () => number) {
    this.#tell = tell;
    this.#now = now;
  }

  /** A device was told the addresses of a name. */
  note(name: string): void {
    const told = this.#told.get(name);
    if (told !== undefined && Math.abs(this.#now() - told) < tellAgainMs) return;
    if (this.#fresh.size >= mostKept) return;
    this.#fresh.add(name);
    this.#timer ??= setTimeout(() => this.flush(), tellEveryMs).unref();
  }

  /** Tells what is new at once. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const names = [...this.#fresh];
    this.#fresh.clear();
    for (const name of names) {
      this.#told.delete(name);
      this.#told.set(name, this.#now());
    }
    for (const name of [...this.#told.keys()].slice(0, Math.max(0, this.#told.size - mostKept)))
      this.#told.delete(name);
    for (let at = 0; at < names.length; at += mostAtOnce) this.#tell(names.slice(at, at + mostAtOnce));
  }
}
