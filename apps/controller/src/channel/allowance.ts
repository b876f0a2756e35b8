/** A token bucket: a burst at once, and a steady amount per second after it. */
export class Allowance {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(burst: number, perSecond: number, now: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#at = now;
  }

  /**
   * Spends an amount. Returns false, and spends nothing, when less is left. Takes epoch milliseconds; setting the clock
   * back gains nothing.
   */
  spend(amount: number, now: number): boolean {
    const gained = (Math.max(0, now - this.#at) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#burst, this.#left + gained) - amount;
    this.#at = now;
    return this.#left >= 0;
  }

  /**
   * Spends the amount if it is there and returns 0. Otherwise returns the milliseconds until it is. An amount above the
   * burst counts as the burst.
   */
  take(amount: number, now: number): number {
    const needed = Math.min(amount, this.#burst);
    this.spend(0, now);
    if (this.#left >= needed) {
      this.#left -= needed;
      return 0;
    }
    return Math.ceil(((needed - this.#left) / this.#perSecond) * 1000);
  }
}
