import { ApiError } from '../../errors.ts';

/** How many tests a tenant may start at once, and the time until one more. */
const burst = 10;
const restMs = 5_000;

/** Limits how often a tenant may have the controller probe its gateways. */
export class TestPace {
  /** By tenant: when all of its tests may be used again, epoch milliseconds. */
  readonly #restedAt = new Map<string, number>();

  /** Counts a test that begins. Throws `rate_limited`; what is refused does not count. */
  begin(tenant: string, now: number): void {
    const rested = Math.max(now, this.#restedAt.get(tenant) ?? 0);
    const owed = rested - now + restMs;
    if (owed > burst * restMs) throw tooOften(Math.ceil((owed - burst * restMs) / 1000));
    this.#restedAt.set(tenant, rested + restMs);
  }
}

const tooOften = (seconds: number): ApiError =>
  new ApiError(
    'rate_limited',
    `A tenant may test ${burst} gateways at once, and one more every ${restMs / 1000} seconds: try again in ${seconds} seconds`,
    [],
    seconds,
  );
