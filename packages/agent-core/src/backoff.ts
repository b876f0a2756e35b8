/** Exponential back-off with jitter. */
export interface Backoff {
  /** First delay, milliseconds. */
  readonly firstMs: number;
  /** Maximum delay, milliseconds. */
  readonly maxMs: number;
}

/**
 * Returns the delay before the next try, milliseconds. The limit doubles with each attempt up to the maximum. The delay is a
 * random part of the upper half of the limit, so that agents of the same controller do not reconnect at the same time.
 *
 * `attempt` counts from 0; `random` is in [0, 1).
 */
export function backoffDelay(backoff: Backoff, attempt: number, random: number): number {
  const whole = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(whole / 2 + (whole / 2) * random);
}
