import type { Timers } from '../../apps/controller/src/channel/timers.ts';

/** True time of a test: it stands still until it is moved. Everything of the system runs by it. */
export class Clock implements Timers {
  #now = Date.UTC(2026, 0, 1);
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  /** Epoch milliseconds, whole ones. */
  readonly now = (): number => this.#now;

  readonly after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.#now + Math.ceil(ms), run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  readonly soon = (run: () => void): void => {
    setImmediate(run);
  };

  /** When the next timer is due; null when there is none. */
  get next(): number | null {
    let first: number | null = null;
    for (const { at } of this.#timers) if (first === null || at < first) first = at;
    return first;
  }

  /** Goes on to a moment and runs what is due by then, in order of time. */
  advanceTo(moment: number): void {
    this.#now = Math.max(this.#now, moment);
    const due = [...this.#timers].filter(({ at }) => at <= this.#now).sort((a, b) => a.at - b.at);
    for (const timer of due) if (this.#timers.delete(timer)) timer.run();
  }
}
