/** Something that is due at a time of its own, which may change. */
export interface Due {
  /** Epoch milliseconds; infinite: not known yet. */
  nextAt: number;
}

interface Appointment<T> {
  readonly at: number;
  readonly entry: T;
}

/**
 * Finds entries in the order in which they are due, at a cost that hardly depends on their number: a heap. An entry
 * whose time changed is in it several times, and counts at its present time alone.
 */
export class DueQueue<T extends Due> {
  #heap: Appointment<T>[] = [];
  readonly #counts: (entry: T) => boolean;

  /** Entries that no longer `count` are forgotten. */
  constructor(counts: (entry: T) => boolean) {
    this.#counts = counts;
  }

  /** Sets the time of an entry. `entries`: how many there are. */
  set(entry: T, at: number, entries: number): void {
    entry.nextAt = at;
    this.#heap.push({ at, entry });
    this.#up(this.#heap.length - 1);
    if (this.#heap.length > 2 * entries + 64) this.#sweep();
  }

  /** Time of the first entry, epoch milliseconds; infinite without one. */
  get nextAt(): number {
    let first = this.#heap[0];
    for (; first !== undefined && !this.#isValid(first); first = this.#heap[0]) this.#shift();
    return first?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Removes and returns the first entry if it is due. */
  take(now: number): T | null {
    if (this.nextAt > now) return null;
    return this.#shift()?.entry ?? null;
  }

  #isValid({ at, entry }: Appointment<T>): boolean {
    return entry.nextAt === at && this.#counts(entry);
  }

  /** Leaves each valid entry once. A sorted list is a heap. */
  #sweep(): void {
    const valid = new Map(this.#heap.filter((each) => this.#isValid(each)).map((each) => [each.entry, each]));
    this.#heap = [...valid.values()].sort((a, b) => a.at - b.at);
  }

  #shift(): Appointment<T> | undefined {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return first;
    this.#heap[0] = last;
    this.#down();
    return first;
  }

  #up(from: number): void {
    for (let i = from; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (this.#at(parent) <= this.#at(i)) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #down(): void {
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      const child = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(i) <= this.#at(child)) return;
      this.#swap(i, child);
      i = child;
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.at ?? Number.POSITIVE_INFINITY;
  }

  #swap(i: number, j: number): void {
    const [a, b] = [this.#heap[i], this.#heap[j]] as [Appointment<T>, Appointment<T>];
    this.#heap[i] = b;
    this.#heap[j] = a;
  }
}
