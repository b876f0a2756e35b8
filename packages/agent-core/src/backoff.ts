/** Exponential back-off with jitter. */
export interface Backoff {
  /** First delay, milliseconds. */
  readonly firstMs: number;
  /** No delay is longer, milliseconds. */
  readonly maxMs: number;
}

/**
 * Delay before the next try, milliseconds: doubles with each attempt up to the maximum, and lies anywhere in the upper half
 * of that, so that many agents that lost the same controller do not return together.
 *
 * `attempt` counts from 0; `random` is in [0, 1).
 */
export function backoffDelay(backoff: Backoff, attempt: number, random: number): number {
  const whole = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(whole / 2 + (whole / 2) * random);
}
