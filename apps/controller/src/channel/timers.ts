import { guarded } from '@sallyport/contract/guard';

/** Source of delays. Tests pass their own. */
export interface Timers {
  /** Runs once after a delay in milliseconds. Returns a function that cancels it. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** Runs once, after the pending work of the event loop. */
  readonly soon: (run: () => void) => void;
}

/** Timers of the running process. */
export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  soon(run) {
    setImmediate(run);
  },
};

/** Timers whose callbacks may fail without harm to the process. */
export function guardedTimers(timers: Timers, failed: (error: unknown) => void): Timers {
  return {
    after: (ms, run) => timers.after(ms, guarded(failed, run)),
    soon: (run) => timers.soon(guarded(failed, run)),
  };
}

const longestMs = 3_600_000;

/**
 * One timer for one owner that follows a moving deadline cheaply. It is set again only when the deadline moves closer.
 * When it rings too early, the owner finds nothing due and sets it again.
 */
export class Alarm {
  readonly #timers: Timers;
  readonly #clock: () => number;
  readonly #ring: () => void;
  #at = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | null = null;

  constructor(timers: Timers, clock: () => number, ring: () => void) {
    this.#timers = timers;
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings no later than `at`, epoch milliseconds. Null changes nothing. */
  set(at: number | null): void {
    if (at === null || at >= this.#at) return;
    this.#cancel?.();
    this.#at = at;
    this.#cancel = this.#timers.after(Math.min(longestMs, Math.max(0, at - this.#clock())), () => {
      this.#at = Number.POSITIVE_INFINITY;
      this.#cancel = null;
      this.#ring();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#at = Number.NEGATIVE_INFINITY;
  }
}
