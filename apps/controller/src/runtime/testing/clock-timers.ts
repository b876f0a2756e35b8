import type { Timers } from '../../channel/timers.ts';
import type { TestClock } from '../../testing/harness.ts';

/** Timers on a clock that stands still until a test moves it. */
export class ClockTimers implements Timers {
  /** To be set before the first timer. */
  clock: TestClock | null = null;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  readonly after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.#now() + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  readonly soon = (run: () => void): void => {
    setImmediate(run);
  };

  get pending(): number {
    return this.#timers.size;
  }

  /** Moves the clock, and runs each timer that falls due at its time. */
  advanceTo(at: number): void {
    for (let next = this.#next(at); next !== null; next = this.#next(at)) {
      this.#timers.delete(next);
      this.#set(Math.max(this.#now(), next.at));
      next.run();
    }
    this.#set(at);
  }

  #next(until: number) {
    const due = [...this.#timers].filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at);
    return due[0] ?? null;
  }

  #now(): number {
    return this.clock?.now ?? 0;
  }

  #set(now: number): void {
    if (this.clock !== null) this.clock.now = now;
  }
}
