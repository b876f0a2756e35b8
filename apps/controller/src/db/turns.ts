/** How long a group of writes waits for its turn, milliseconds. A blocked tenant delays other tenants by that time at most. */
const mostMs = 10;

/** Groups that run at the same time in any case: while the server works for one, the controller works for the other. */
const leastAtOnce = 2;

/**
 * Decides which tenants write at the same time: half of those that have something to write. The others get their turn
 * when one of these has committed, and meanwhile more writes join their groups. A group costs several times as much as one
 * more write in it, so fewer and larger groups serve all of them sooner.
 */
export class Turns {
  readonly #mostMs: number;
  #tenants = 0;
  #running = 0;
  readonly #waiting = new Set<() => void>();

  constructor(most = mostMs) {
    this.#mostMs = most;
  }

  /** A tenant begins to write. To be ended by `leave`. */
  enter(): void {
    this.#tenants++;
  }

  leave(): void {
    this.#tenants--;
  }

  /** Runs a group of writes. `waits`: when it is its turn, and at the latest after a while. */
  async run<T>(waits: boolean, work: () => Promise<T>): Promise<T> {
    if (waits && this.#running >= this.#atOnce) await this.#turn();
    else this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      const [next] = this.#waiting;
      if (this.#running < this.#atOnce) next?.();
    }
  }

  /** Resolves when a group may run. It counts as running already. */
  async #turn(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const begin = () => {
      this.#running++;
      this.#waiting.delete(begin);
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(begin, this.#mostMs);
    this.#waiting.add(begin);
    await promise;
  }

  get #atOnce(): number {
    return Math.max(leastAtOnce, Math.ceil(this.#tenants / 2));
  }
}
