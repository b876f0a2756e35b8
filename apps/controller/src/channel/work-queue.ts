import type { Timers } from './timers.ts';

const sliceTasks = 200;
const sliceMs = 10;

/**
 * Runs work of many connections in slices, so that the event loop stays free. A waiting task is not queued twice, which
 * merges changes that come in a burst.
 */
export class WorkQueue {
  readonly #timers: Timers;
  readonly #clock: () => number;
  readonly #tasks = new Set<() => void>();
  #scheduled = false;

  constructor(timers: Timers, clock: () => number) {
    this.#timers = timers;
    this.#clock = clock;
  }

  add(task: () => void): void {
    this.#tasks.add(task);
    this.#schedule();
  }

  drop(task: () => void): void {
    this.#tasks.delete(task);
  }

  #schedule(): void {
    if (this.#scheduled || this.#tasks.size === 0) return;
    this.#scheduled = true;
    this.#timers.soon(() => this.#slice());
  }

  #slice(): void {
    this.#scheduled = false;
    const started = this.#clock();
    let left = sliceTasks;
    try {
      for (const task of this.#tasks) {
        this.#tasks.delete(task);
        task();
        if (--left === 0 || this.#clock() - started >= sliceMs) break;
      }
    } finally {
      this.#schedule();
    }
  }
}
