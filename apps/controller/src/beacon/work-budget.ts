/**
 * Limits work to a share of the event loop. It may run ahead by a burst and then waits until its share has caught up.
 * Times in milliseconds of one monotonic clock.
 */
export class WorkBudget {
  readonly #share: number;
  readonly #burstMs: number;
  #spentMs = 0;
  #at = 0;

  /** `share`: fraction of the time, 0 to 1. */
  constructor(share: number, burstMs: number) {
    this.#share = share;
    this.#burstMs = burstMs;
  }

  /** Returns whether any time is left. */
  admits(now: number): boolean {
    this.#spentMs = Math.max(0, this.#spentMs - (now - this.#at) * this.#share);
    this.#at = now;
    return this.#spentMs < this.#burstMs;
  }

  spent(ms: number): void {
    this.#spentMs += ms;
  }
}
