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
    const { everyMs, burst, perSecond, remembered } = this.#limits;
    const pair = `${owner} ${key}`;
    const last = this.#keys.get(pair);
    if (last !== undefined && now - last < everyMs) return false;
    const bucket = this.#owners.get(owner);
    const level = bucket === undefined ? 0 : Math.max(0, bucket.level - ((now - bucket.at) * perSecond) / 1000);
    if (level + 1 > burst) return false;
    renew(this.#keys, pair, now, remembered);
    renew(this.#owners, owner, { level: level + 1, at: now }, remembered);
    return true;
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
