import type { Timers } from '../channel/timers.ts';
import { ApiError } from '../errors.ts';

/** Where a runtime says that it is behind. */
export interface RuntimeLog {
  readonly warn: (facts: object, text: string) => void;
  readonly error: (facts: object, text: string) => void;
}

const retryMs = 1_000;

/** Lets a tenant's runtime that could not follow the log try again: there may be no other notice. */
export class Retry {
  readonly #parts: { readonly tenant: string; readonly timers: Timers; readonly log: RuntimeLog };
  readonly #again: () => void;
  #cancel: () => void = () => undefined;
  #stopped = false;

  constructor(
    parts: { readonly tenant: string; readonly timers: Timers; readonly log: RuntimeLog },
    again: () => void,
  ) {
    this.#parts = parts;
    this.#again = again;
  }

  readonly failed = (err: unknown): void => {
    const { tenant, timers, log } = this.#parts;
    const isAway = err instanceof ApiError && err.code === 'unavailable';
    log[isAway ? 'warn' : 'error']({ err, tenant }, 'could not follow a commit; will try again');
    this.#cancel();
    if (!this.#stopped) this.#cancel = timers.after(retryMs, this.#again);
  };

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }
}
