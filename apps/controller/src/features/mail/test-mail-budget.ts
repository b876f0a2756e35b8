import type { SharedSpending, Spend } from '../../budgets/shared-spending.ts';
import { ApiError } from '../../errors.ts';

/** Test mails of a tenant within an hour. */
const perHour = 10;
const hourMs = 3600_000;

/** Bounds the test mails of each tenant. Tenants are few, and each has one entry. */
export class TestMailBudget {
  readonly #now: () => number;
  readonly #spent = new Map<string, number[]>();

  readonly #spend: Spend;

  constructor(now: () => number, spending: Pick<SharedSpending, 'share'>) {
    this.#now = now;
    this.#spend = spending.share('test mails', (tenant, count, at) => {
      const mails = Array.from({ length: Math.min(count, perHour) }, () => at);
      this.#spent.set(tenant, [...this.#recent(tenant), ...mails]);
    });
  }

  /** Counts a test mail. Throws `rate_limited` when the tenant has sent too many. */
  spend(tenant: string): void {
    const now = this.#now();
    const recent = this.#recent(tenant);
    const [oldest] = recent;
    if (oldest !== undefined && recent.length >= perHour)
      throw new ApiError('rate_limited', 'Too many test mails', [], Math.ceil((oldest + hourMs - now) / 1000));
    this.#spent.set(tenant, [...recent, now]);
    this.#spend(tenant, 1);
  }

  #recent(tenant: string): number[] {
    const after = this.#now() - hourMs;
    return (this.#spent.get(tenant) ?? []).filter((at) => at > after);
  }
}
