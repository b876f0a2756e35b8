import { ApiError } from '../../errors.ts';

/** Failures that an account, and a source address, may have within the window. */
const limits = { account: 10, source: 50 } as const;
const windowMs = 15 * 60 * 1000;
/** Accounts and sources that are remembered at once. The one whose window began first is forgotten first. */
const remembered = 20_000;

interface Window {
  readonly endsAt: number;
  failures: number;
}

/** Who tries to sign in. */
export interface Attempt {
  /** Tenant and account, also of one that does not exist. */
  readonly account: string;
  /** Null where the source is not known: then only the account counts. */
  readonly source: string | null;
}

/** Bounds how often passwords and codes may be guessed, for each account and each source. Kept in memory. */
export class GuessLimits {
  readonly #now: () => number;
  readonly #windows = new Map<string, Window>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Throws `rate_limited` when the account or the source has failed too often. To be asked before anything is looked up. */
  check(attempt: Attempt): void {
    for (const [key, limit] of keysOf(attempt)) {
      const window = this.#windowOf(key);
      if (window !== null && window.failures >= limit)
        throw new ApiError(
          'rate_limited',
          'Too many attempts failed',
          [],
          Math.ceil((window.endsAt - this.#now()) / 1000),
        );
    }
  }

  /** Counts a failure. Returns whether it is the first of the account within the window. */
  failed(attempt: Attempt): boolean {
    const counts = keysOf(attempt).map(([key]) => this.#count(key));
    return counts[0] === 1;
  }

  /** Forgets the failures of the account: the person has signed in. Those of the source stay. */
  succeeded({ account }: Attempt): void {
    this.#windows.delete(`account ${account}`);
  }

  #count(key: string): number {
    const window = this.#windowOf(key) ?? { endsAt: this.#now() + windowMs, failures: 0 };
    window.failures++;
    this.#windows.set(key, window);
    const [oldest] = this.#windows.keys();
    if (this.#windows.size > remembered && oldest !== undefined) this.#windows.delete(oldest);
    return window.failures;
  }

  #windowOf(key: string): Window | null {
    const window = this.#windows.get(key);
    if (window === undefined || window.endsAt > this.#now()) return window ?? null;
    this.#windows.delete(key);
    return null;
  }
}

const keysOf = ({ account, source }: Attempt): [string, number][] => [
  [`account ${account}`, limits.account],
  ...(source === null ? [] : [[`source ${source}`, limits.source] as [string, number]]),
];
