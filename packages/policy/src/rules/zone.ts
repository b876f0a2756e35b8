/** The wall clock of one IANA time zone, computed from Intl and remembered in chunks of time. */
export class Zone {
  readonly #format: Intl.DateTimeFormat;
  readonly #chunks = new Map<number, Chunk>();

  /** Throws RangeError for an unknown zone. */
  constructor(name: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  /** Returns the milliseconds by which the wall clock is ahead of UTC. */
  offset(at: number): number {
    const { offset, transitions } = this.#chunk(Math.floor(at / chunkLength));
    return transitions.findLast((transition) => transition.at <= at)?.offset ?? offset;
  }

  /** Returns the first moment after `at` at which the offset changes; Infinity when none is within 32 days. */
  nextTransition(at: number): number {
    const index = Math.floor(at / chunkLength);
    for (const i of [index, index + 1])
      for (const transition of this.#chunk(i).transitions) if (transition.at > at) return transition.at;
    return Number.POSITIVE_INFINITY;
  }

  /** Returns the first moment at which the wall clock shows a local time or a later one. `local` is given as if UTC. */
  firstAt(local: number): number {
    const offsets = [this.offset(local - day), this.offset(local + day)];
    const early = local - Math.max(...offsets);
    if (early + this.offset(early) >= local) return early;
    return Math.min(local - Math.min(...offsets), this.nextTransition(early));
  }

  #chunk(index: number): Chunk {
    const known = this.#chunks.get(index);
    if (known !== undefined) return known;
    if (this.#chunks.size > 100) this.#chunks.clear();
    const chunk = this.#scan(index * chunkLength);
    this.#chunks.set(index, chunk);
    return chunk;
  }

  #scan(start: number): Chunk {
    const transitions: Transition[] = [];
    const first = this.#measure(start);
    let offset = first;
    for (let at = start; at < start + chunkLength; at += day) {
      const next = this.#measure(at + day);
      if (next !== offset) transitions.push({ at: this.#bisect(at, at + day, offset), offset: next });
      offset = next;
    }
    return { offset: first, transitions };
  }

  /** Returns the first second of (low, high] at which the offset differs from the given one. */
  #bisect(low: number, high: number, offset: number): number {
    while (high - low > 1000) {
      const middle = Math.floor((low + high) / 2000) * 1000;
      if (this.#measure(middle) === offset) low = middle;
      else high = middle;
    }
    return high;
  }

  #measure(at: number): number {
    const parts: Record<string, string> = {};
    for (const { type, value } of this.#format.formatToParts(at)) parts[type] = value;
    const { era, year, month, day: date, hour, minute, second } = parts;
    const wall = Date.UTC(2000, Number(month) - 1, Number(date), Number(hour), Number(minute), Number(second));
    const local = new Date(wall).setUTCFullYear(
      era === 'BC' ? 1 - Number(year) : Number(year),
      Number(month) - 1,
      Number(date),
    );
    return local - Math.floor(at / 1000) * 1000;
  }
}

interface Transition {
  readonly at: number;
  readonly offset: number;
}

/** The offset at the start of a chunk, and the moments in it or at its end at which the offset changes. */
interface Chunk {
  readonly offset: number;
  readonly transitions: readonly Transition[];
}

const day = 86_400_000;
const chunkLength = 32 * day;
