/**
 * Limits repeated notices: the first one after a quiet time goes at once, and the gap before each further one doubles.
 * Times in milliseconds of one clock.
 */
export class Pace {
  readonly #leastMs: number;
  readonly #mostMs: number;
  #gapMs = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** After `mostMs` without a notice, the next one goes at once. */
  constructor(leastMs: number, mostMs: number) {
    this.#leastMs = leastMs;
    this.#mostMs = mostMs;
  }

  /** The earliest moment for the next notice. */
  get next(): number {
    return this.#at + this.#gapMs;
  }

  /** A notice went out. */
  went(now: number): void {
    const quiet = now - this.#at > this.#mostMs;
    this.#gapMs = quiet ? this.#leastMs : Math.min(this.#mostMs, this.#gapMs * 2);
    this.#at = now;
  }
}
