/** Number of counters behind the newest that the window tracks. */
export const WINDOW = 2048;

/** Records the seen counters of a session in a sliding window over a ring of bits (RFC 6479). */
export class ReplayWindow {
  #newest = -1n;
  readonly #seen = new Uint32Array(WINDOW / 32 + 1);

  /** Returns whether a counter is new and not too old. Call it before decrypting, and `take` afterwards. */
  isFresh(counter: bigint): boolean {
    if (counter > this.#newest) return true;
    if (this.#newest - counter >= BigInt(WINDOW)) return false;
    const [word, bit] = this.#place(counter);
    return ((this.#seen[word] ?? 0) & bit) === 0;
  }

  /** Marks the counter of an authentic message as seen. Returns false if it was not fresh. */
  take(counter: bigint): boolean {
    if (!this.isFresh(counter)) return false;
    if (counter > this.#newest) this.#slide(counter);
    const [word, bit] = this.#place(counter);
    this.#seen[word] = (this.#seen[word] ?? 0) | bit;
    return true;
  }

  /** Clears the words that the window enters, at most the whole ring. */
  #slide(counter: bigint): void {
    const words = (counter >> 5n) - (this.#newest >> 5n);
    const cleared = words > BigInt(this.#seen.length) ? this.#seen.length : Number(words);
    const [last] = this.#place(counter);
    for (let i = 0; i < cleared; i++) {
      this.#seen[(last - i + this.#seen.length) % this.#seen.length] = 0;
    }
    this.#newest = counter;
  }

  #place(counter: bigint): [word: number, bit: number] {
    return [Number((counter >> 5n) % BigInt(this.#seen.length)), 1 << Number(counter & 31n)];
  }
}
