import { ApiError } from '../errors.ts';
import type { SharedSpending, Spend } from './shared-spending.ts';

/** How often something may begin. */
export interface PaceLimit {
  /** Name among the budgets that replicas share. */
  readonly name: string;
  /** How many may begin at once. */
  readonly burst: number;
  /** Time until one more may begin, milliseconds. */
  readonly restMs: number;
  /** Start of the refusal's sentence: "A tenant may test {burst} gateways at once". */
  readonly refusal: string;
}

/** Limits how often each subject, a tenant or a person, may begin something that costs the controller. */
export class Pace {
  readonly #limit: PaceLimit;
  /** By subject, the least recent first: when all of its burst may be used again, epoch milliseconds. */
  readonly #restedAt = new Map<string, number>();

  readonly #spend: Spend;

  constructor(limit: PaceLimit, spending: Pick<SharedSpending, 'share'>) {
    this.#limit = limit;
    this.#spend = spending.share(limit.name, (subject, amount, now) => this.#take(subject, amount, now));
  }

  /** Counts one that begins. Throws `rate_limited`; a refused one does not count. */
  begin(subject: string, now: number): void {
    const { burst, restMs } = this.#limit;
    const rested = Math.max(now, this.#restedAt.get(subject) ?? 0);
    const owed = rested - now + restMs;
    if (owed > burst * restMs) throw this.#tooOften(Math.ceil((owed - burst * restMs) / 1000));
    this.#take(subject, 1, now);
    this.#spend(subject, 1);
  }

  #take(subject: string, count: number, now: number): void {
    const rested = Math.max(now, this.#restedAt.get(subject) ?? 0);
    this.#restedAt.delete(subject);
    this.#restedAt.set(subject, rested + count * this.#limit.restMs);
    this.#forgetRested(now);
  }

  #forgetRested(now: number): void {
    for (const [subject, at] of this.#restedAt) {
      if (at > now) return;
      this.#restedAt.delete(subject);
    }
  }

  #tooOften(seconds: number): ApiError {
    const { refusal, restMs } = this.#limit;
    const often = restMs === 1000 ? 'second' : `${restMs / 1000} seconds`;
    const detail = `${refusal}, and one more every ${often}: try again in ${seconds} seconds`;
    return new ApiError('rate_limited', detail, [], seconds);
  }
}
