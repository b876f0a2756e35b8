import { guarded } from '@sallyport/contract/guard';

/** Where delays come from; a test passes its own. */
export interface Timers {
  /** Runs once after a delay in milliseconds. Returns what calls it off. */
  readonly after: (ms: number, run: () => void) => () => void;
  /** Runs once, after whatever the event loop has to do first. */
  readonly soon: (run: () => void) => void;
}

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
 * One timer for one owner, that follows a moving deadline cheaply: it is set anew only when the deadline comes nearer. When it
 * goes off too early the owner finds nothing due and sets it again.
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

  /** Rings no later than `at`, epoch milliseconds; null asks for nothing. */
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
