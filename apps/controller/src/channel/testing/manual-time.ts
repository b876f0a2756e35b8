import type { Timers } from '../timers.ts';

/** A clock that stands still until a test moves it, and timers that follow it. */
export class ManualTime implements Timers {
  #now = Date.UTC(2026, 0, 1);
  readonly #timers = new Set<{ at: number; run: () => void }>();

  readonly clock = (): number => this.#now;

  readonly after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: this.#now + ms, run };
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
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let timer = this.#first(end); timer !== null; timer = this.#first(end)) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.at);
      timer.run();
    }
    this.#now = end;
  }

  #first(until: number): { at: number; run: () => void } | null {
    let first: { at: number; run: () => void } | null = null;
    for (const timer of this.#timers) if (timer.at <= until && (first === null || timer.at < first.at)) first = timer;
    return first;
  }
}

/** Lets the event loop turn until the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
