import { blake2s } from './blake2s.ts';

/** A token bucket that allows `perSecond` on average and `burst` at once. */
export class Budget {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at: number | null = null;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Takes a token. Returns false if there is none. `now` in milliseconds. */
  take(now: number): boolean {
    const elapsed = Math.max(0, now - (this.#at ?? now));
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsed * this.#perSecond) / 1000);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** Budgets per source address, without its port, in a table of fixed size. Addresses with the same slot share a budget. */
export class AddressBudgets {
  readonly #secret: Uint8Array;
  readonly #budgets: (Budget | undefined)[] = new Array(PLACES);

  /** `secret`: 32 random bytes, so that attackers cannot choose their slot. */
  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  take(source: string, now: number): boolean {
    const [low = 0, high = 0] = blake2s(Buffer.from(networkOf(source)), 2, this.#secret);
    const place = (high * 256 + low) % PLACES;
    const budget = (this.#budgets[place] ??= new Budget(PER_SECOND, BURST));
    return budget.take(now);
  }
}

/** Returns an IPv4 address, or the /64 of an IPv6 address, because the holder of an IPv6 address has its whole /64. */
function networkOf(source: string): string {
  const address = source.slice(0, source.lastIndexOf(':'));
  if (!address.startsWith('[')) return address;
  const groups = address.slice(1).split('::')[0]?.split(':') ?? [];
  return groups.slice(0, 4).join(':');
}

const PLACES = 4096;
const PER_SECOND = 20;
const BURST = 5;
