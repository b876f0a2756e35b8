import { sourcesOf } from '../../channel/source-limits.ts';
import { ApiError } from '../../errors.ts';

/** How often an account, and a source, may try within a window of milliseconds. */
export interface AttemptLimits {
  readonly account: number;
  readonly source: number;
  readonly windowMs: number;
  /** Told to who has tried too often. */
  readonly text: string;
}

/** Failed passwords and codes. */
export const guessLimits: AttemptLimits = {
  account: 10,
  source: 50,
  windowMs: 15 * 60_000,
  text: 'Too many attempts failed',
};

/** Requests for a new password. They count whether the account exists or not. */
export const forgottenLimits: AttemptLimits = {
  account: 3,
  source: 20,
  windowMs: 60 * 60_000,
  text: 'A new password was asked for too often',
};

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
  readonly #limits: AttemptLimits;
  readonly #windows = new Map<string, Window>();

  constructor(now: () => number, limits: AttemptLimits = guessLimits) {
    this.#now = now;
    this.#limits = limits;
  }

  /** Throws `rate_limited` when the account or the source has failed too often. To be asked before anything is looked up. */
  check(attempt: Attempt): void {
    for (const [key, limit] of this.#keysOf(attempt)) {
      const window = this.#windowOf(key);
      if (window !== null && window.failures >= limit)
        throw new ApiError('rate_limited', this.#limits.text, [], Math.ceil((window.endsAt - this.#now()) / 1000));
    }
  }

  /** Counts a failure. Returns whether it is the first of the account within the window. */
  failed(attempt: Attempt): boolean {
    const counts = this.#keysOf(attempt).map(([key]) => this.#count(key));
    return counts[0] === 1;
  }

  /** Forgets the failures of the account: the person has signed in. Those of the source stay. */
  succeeded({ account }: Attempt): void {
    this.#windows.delete(`account ${account}`);
  }

  #count(key: string): number {
    const window = this.#windowOf(key) ?? { endsAt: this.#now() + this.#limits.windowMs, failures: 0 };
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

  /** The wider networks around an IPv6 source may each try four times as often as the one in it. */
  #keysOf({ account, source }: Attempt): [string, number][] {
    const { account: perAccount, source: perSource } = this.#limits;
    return [
      [`account ${account}`, perAccount],
      ...(source === null ? [] : sourcesOf(source)).map((network, width): [string, number] => [
        `source ${network}`,
        perSource * 4 ** width,
      ]),
    ];
  }
}
