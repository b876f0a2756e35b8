/**
 * Share of the event loop that some work may take. It may run ahead by a burst; then it has to wait until its share has
 * caught up. Times in milliseconds of one clock that only counts up.
 */
export class WorkBudget {
  readonly #share: number;
  readonly #burstMs: number;
  #spentMs = 0;
  #at = 0;

  /** `share`: part of the time, 0 to 1. */
  constructor(share: number, burstMs: number) {
    this.#share = share;
    this.#burstMs = burstMs;
  }

  /** Whether there is any left. */
  admits(now: number): boolean {
    this.#spentMs = Math.max(0, this.#spentMs - (now - this.#at) * this.#share);
    this.#at = now;
    return this.#spentMs < this.#burstMs;
  }

  spent(ms: number): void {
    this.#spentMs += ms;
  }
}
