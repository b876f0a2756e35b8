/** A token bucket over bytes; times are epoch milliseconds. Its burst is the budget of one second. */
export class Budget {
  readonly #bytesPerSecond: number;
  #left: number;
  #at: number;

  constructor(bytesPerSecond: number, now: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#left = bytesPerSecond;
    this.#at = now;
  }

  take(bytes: number, now: number): boolean {
    const passed = Math.max(0, now - this.#at);
    this.#left = Math.min(this.#bytesPerSecond, this.#left + (passed * this.#bytesPerSecond) / 1000);
    this.#at = now;
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }
}
