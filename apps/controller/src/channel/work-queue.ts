import type { Timers } from './timers.ts';

const sliceTasks = 200;
const sliceMs = 10;

/**
 * Who waits for a task. Gateways enforce, so they come first: those that must close something, then those that open.
 * Connections that want a handshake come last.
 */
export type Lane = 'closing' | 'gateways' | 'devices' | 'arrivals';

const lanes: readonly Lane[] = ['closing', 'gateways', 'devices', 'arrivals'];
const lastFirst = lanes.toReversed();

/** Of so many tasks one comes from the last lane that has any, so that no lane starves. */
const fairShare = 16;

/**
 * Runs work of many connections in slices, so that the event loop stays free. A waiting task is not queued twice, which
 * merges changes that come in a burst.
 */
export class WorkQueue {
  readonly #timers: Timers;
  readonly #clock: () => number;
  readonly #tasks: Readonly<Record<Lane, Set<() => void>>> = {
    closing: new Set(),
    gateways: new Set(),
    devices: new Set(),
    arrivals: new Set(),
  };
  #taken = 0;
  #scheduled = false;

  constructor(timers: Timers, clock: () => number) {
    this.#timers = timers;
    this.#clock = clock;
  }

  /** A task that waits in a later lane moves to the earlier one. */
  add(task: () => void, lane: Lane): void {
    for (const other of lanes) {
      if (other === lane) break;
      if (this.#tasks[other].has(task)) return;
    }
    this.drop(task);
    this.#tasks[lane].add(task);
    this.#schedule();
  }

  drop(task: () => void): void {
    for (const lane of lanes) this.#tasks[lane].delete(task);
  }

  /** Takes the first task of the first lane that has one. */
  #take(): (() => void) | null {
    this.#taken++;
    for (const lane of this.#taken % fairShare === 0 ? lastFirst : lanes) {
      const [first] = this.#tasks[lane];
      if (first === undefined) continue;
      this.#tasks[lane].delete(first);
      return first;
    }
    return null;
  }

  #schedule(): void {
    if (this.#scheduled || lanes.every((lane) => this.#tasks[lane].size === 0)) return;
    this.#scheduled = true;
    this.#timers.soon(() => this.#slice());
  }

  #slice(): void {
    this.#scheduled = false;
    const started = this.#clock();
    let left = sliceTasks;
    try {
      for (let task = this.#take(); task !== null; task = this.#take()) {
        task();
        if (--left === 0 || this.#clock() - started >= sliceMs) break;
      }
    } finally {
      this.#schedule();
    }
  }
}
