/** So much at once, and so much a second on top (a token bucket). */
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

  /** False when there was not so much left. Epoch milliseconds; a clock that is set back gains nothing. */
  spend(amount: number, now: number): boolean {
    const gained = (Math.max(0, now - this.#at) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#burst, this.#left + gained) - amount;
    this.#at = now;
    return this.#left >= 0;
  }

  /** Spends only what is there. Zero, or milliseconds until there is so much; more than ever fits counts as all of it. */
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
