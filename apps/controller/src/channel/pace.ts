/**
 * When news that come again and again may go on: at once after a while of quiet, and each further one after a gap that
 * doubles. Times in milliseconds of one clock.
 */
export class Pace {
  readonly #leastMs: number;
  readonly #mostMs: number;
  #gapMs = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** After `mostMs` without any, news go on at once again. */
  constructor(leastMs: number, mostMs: number) {
    this.#leastMs = leastMs;
    this.#mostMs = mostMs;
  }

  /** The first moment at which they may. */
  get next(): number {
    return this.#at + this.#gapMs;
  }

  /** They have. */
  went(now: number): void {
    const quiet = now - this.#at > this.#mostMs;
    this.#gapMs = quiet ? this.#leastMs : Math.min(this.#mostMs, this.#gapMs * 2);
    this.#at = now;
  }
}
