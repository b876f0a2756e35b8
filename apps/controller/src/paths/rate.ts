import { renew } from './renew.ts';

/**
 * Admits each key once per interval and owner, and limits each owner in all (a leaky bucket). Above the bound, the
 * oldest key is forgotten. Times in milliseconds of one clock.
 */
export class RequestRate {
  readonly #limits: RateLimits;
  readonly #keys = new Map<string, number>();
  readonly #owners = new Map<string, { level: number; at: number }>();

  constructor(limits: RateLimits) {
    this.#limits = limits;
  }

  admits(owner: string, key: string, now: number): boolean {
    const { everyMs, burst, remembered } = this.#limits;
    const pair = `${owner} ${key}`;
    const last = this.#keys.get(pair);
    if (last !== undefined && now - last < everyMs) return false;
    if (this.#level(owner, now) + 1 > burst) return false;
    renew(this.#keys, pair, now, remembered);
    this.spent(owner, 1, now);
    return true;
  }

  /** Takes off what an owner has used up elsewhere. */
  spent(owner: string, count: number, now: number): void {
    renew(this.#owners, owner, { level: this.#level(owner, now) + count, at: now }, this.#limits.remembered);
  }

  #level(owner: string, now: number): number {
    const bucket = this.#owners.get(owner);
    return bucket === undefined ? 0 : Math.max(0, bucket.level - ((now - bucket.at) * this.#limits.perSecond) / 1000);
  }
}

/** Limits of a rate. */
export interface RateLimits {
  readonly everyMs: number;
  readonly burst: number;
  readonly perSecond: number;
  /** Largest number of keys and of owners that are kept. */
  readonly remembered: number;
}
