import type { Work } from '@sallyport/agent-core';
import { StateHash, type StateItem } from '@sallyport/contract/channel';
import type { Clock } from './clock.ts';

/**
 * An in-memory data plane: its items are in force. Like the kernel, it outlives its agent, and closes by itself at the
 * end of the lease, counted from the time of the last job.
 */
export class MemoryPlane {
  readonly #clock: Clock;
  #items = new Map<string, StateItem>();
  #closesAt = 0;
  /** When true, jobs fail, some of them halfway. */
  failing = false;
  /** When false, jobs never end. */
  working = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Items in force now, by key. */
  get inForce(): ReadonlyMap<string, StateItem> {
    return this.#clock.now() < this.#closesAt ? this.#items : new Map();
  }

  /** Hash of the items in force; null without any. */
  get hash(): string | null {
    const items = this.inForce;
    return items.size === 0 ? null : StateHash.of(items.values()).toString();
  }

  /** Another program removes an item. */
  damage(key: string): void {
    this.#items.delete(key);
  }

  /** Runs a job, or `half` of it when it will fail. `agentNow` is the time by the agent's clock. */
  perform(work: Work, agentNow: number, half = false): void {
    if (work.kind === 'close') {
      if (!half) this.#items = new Map();
      return;
    }
    if (work.kind === 'load') this.#load([...work.items.values()], half);
    else {
      const changes = half ? work.changes.slice(0, work.changes.length / 2) : work.changes;
      for (const { before } of changes) if (before !== null) this.#items.delete(before.key);
      for (const { after } of changes) if (after !== null) this.#items.set(after.key, after);
    }
    this.#closesAt = this.#clock.now() + (work.leaseUntil - agentNow);
  }

  /** Undoes everything, as for a deleted gateway. */
  tearDown(): void {
    this.#items = new Map();
    this.#closesAt = 0;
  }

  #load(items: readonly StateItem[], half: boolean): void {
    const kept = half ? items.slice(0, items.length / 2) : items;
    this.#items = new Map(kept.map((item) => [item.key, item]));
  }
}
