import type { Timers } from '../../apps/controller/src/channel/timers.ts';

/** The true time of a test: it moves only when a test moves it, unless it is real. The whole system uses it. */
export class Clock implements Timers {
  /** Whether it moves by itself. */
  readonly isReal: boolean = false;
  #now = Date.UTC(2026, 0, 1);
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  /** Whole epoch milliseconds. */
  readonly now = (): number => this.#now;

  readonly after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.#now + Math.ceil(ms), run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  readonly soon = (run: () => void): void => {
    setImmediate(run);
  };

  /** Time of the next timer; null without timers. */
  get next(): number | null {
    let first: number | null = null;
    for (const { at } of this.#timers) if (first === null || at < first) first = at;
    return first;
  }

  /** Advances to a time and runs all timers until then, in order of time. */
  advanceTo(moment: number): void {
    this.#now = Math.max(this.#now, moment);
    const due = [...this.#timers].filter(({ at }) => at <= this.#now).sort((a, b) => a.at - b.at);
    for (const timer of due) if (this.#timers.delete(timer)) timer.run();
  }
}

/** The time of the machine, for what has no other. Its timers keep no process alive. */
export class RealClock extends Clock {
  override readonly isReal = true;
  override readonly now = (): number => Date.now();

  override readonly after = (ms: number, run: () => void): (() => void) => {
    const timer = setTimeout(run, Math.ceil(ms)).unref();
    return () => clearTimeout(timer);
  };

  /** Nothing waits for a test to move it. */
  override get next(): null {
    return null;
  }

  override advanceTo(): void {}
}
