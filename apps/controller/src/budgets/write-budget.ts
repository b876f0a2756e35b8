import { Allowance } from '../channel/allowance.ts';
import { ApiError } from '../errors.ts';
import type { SharedSpending, Spend } from './shared-spending.ts';

/** How fast a tenant may write. */
export interface WriteRate {
  /** Average writes per second of one tenant. A write of many bytes counts as several. */
  readonly perSecond: number;
  /** How many seconds' worth of writes may come at once. */
  readonly burstSeconds: number;
}

/** The write rate when the operator sets none. */
export const defaultWriteRate: WriteRate = { perSecond: 50, burstSeconds: 200 };

/** Bounds the writes of each tenant, so that one alone can neither fill the disk quickly nor hold up the others. */
export class WriteBudget {
  readonly #rate: WriteRate;
  readonly #now: () => number;
  readonly #tenants = new Map<string, Allowance>();

  readonly #spend: Spend;

  constructor(rate: WriteRate, now: () => number, spending: Pick<SharedSpending, 'share'>) {
    this.#rate = rate;
    this.#now = now;
    this.#spend = spending.share('writes', (tenant, cost, at) => void this.#of(tenant).spend(cost, at));
  }

  /** Counts a request with this many writes against the tenant's budget. Throws `rate_limited`. */
  spend(tenant: string, bytes: number, writes = 1): void {
    const { perSecond } = this.#rate;
    const cost = writes + bytes / bytesPerWrite;
    const waitMs = this.#of(tenant).take(cost, this.#now());
    if (waitMs === 0) {
      this.#spend(tenant, cost);
      return;
    }
    const detail = `The tenant may write ${perSecond} times a second, less often with large bodies: retry later`;
    throw new ApiError('rate_limited', detail, [], Math.ceil(waitMs / 1000));
  }

  #of(tenant: string): Allowance {
    const { perSecond, burstSeconds } = this.#rate;
    const known = this.#tenants.get(tenant) ?? new Allowance(perSecond * burstSeconds, perSecond, this.#now());
    this.#tenants.set(tenant, known);
    return known;
  }
}

/** Bytes of a body that count as one more write. */
const bytesPerWrite = 8_192;
