import { ApiError } from '../../errors.ts';

/** Test mails of a tenant within an hour. */
const perHour = 10;
const hourMs = 3600_000;

/** Bounds the test mails of each tenant. Tenants are few, and each has one entry. */
export class TestMailBudget {
  readonly #now: () => number;
  readonly #spent = new Map<string, number[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts a test mail. Throws `rate_limited` when the tenant has sent too many. */
  spend(tenant: string): void {
    const now = this.#now();
    const recent = (this.#spent.get(tenant) ?? []).filter((at) => at > now - hourMs);
    const [oldest] = recent;
    if (oldest !== undefined && recent.length >= perHour)
      throw new ApiError('rate_limited', 'Too many test mails', [], Math.ceil((oldest + hourMs - now) / 1000));
    this.#spent.set(tenant, [...recent, now]);
  }
}
