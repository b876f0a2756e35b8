import type { Timers } from '../../apps/controller/src/channel/timers.ts';

/** The true time of a test: it moves only when a test moves it. The whole system uses it. */
export class Clock implements Timers {
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
