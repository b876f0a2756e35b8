/**
 * Joins look-ups that come close together. While one query runs, those that come wait for the next, which looks all of them
 * up. No answer is older than its question: a query that has begun takes none in.
 */
export class JoinedLookUps<K, V> {
  readonly #find: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>;
  readonly #most: number;
  readonly #restMs: (tookMs: number) => number;
  #waiting = new Map<K, Waiting<V>>();
  #running = false;

  /**
   * `find` looks up to `most` keys up. Unknown ones are missing in its answer. `restMs` tells how long the next query waits
   * after one that took some time, milliseconds.
   */
  constructor(
    find: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>,
    most: number,
    restMs: (tookMs: number) => number = () => 0,
  ) {
    this.#find = find;
    this.#most = most;
    this.#restMs = restMs;
  }

  /** Returns what a key stands for; null when it is unknown. */
  find(key: K): Promise<V | null> {
    const known = this.#waiting.get(key);
    if (known !== undefined) return known.promise;
    const waiting = Promise.withResolvers<V | null>();
    this.#waiting.set(key, waiting);
    if (!this.#running) void this.#run();
    return waiting.promise;
  }

  async #run(): Promise<void> {
    this.#running = true;
    // What came in the same turn of the event loop joins.
    await new Promise((resolve) => setImmediate(resolve));
    const began = performance.now();
    const waiting = [...this.#waiting];
    const asked = new Map(waiting.slice(0, this.#most));
    this.#waiting = new Map(waiting.slice(this.#most));
    try {
      const found = await this.#find([...asked.keys()]);
      for (const [key, { resolve }] of asked) resolve(found.get(key) ?? null);
    } catch (error) {
      for (const { reject } of asked.values()) reject(error);
    }
    const restMs = this.#restMs(performance.now() - began);
    if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs).unref());
    this.#running = false;
    if (this.#waiting.size > 0) void this.#run();
  }
}

type Waiting<V> = PromiseWithResolvers<V | null>;
