import type { Work } from '@sallyport/agent-core';
import { StateHash, type StateItem } from '@sallyport/contract/channel';
import type { Clock } from './clock.ts';

/**
 * A data plane in memory: the items it holds are what is in force. Like the kernel it outlives its agent, and closes by
 * itself when the lease is over, measured from the moment at which it was told.
 */
export class MemoryPlane {
  readonly #clock: Clock;
  #items = new Map<string, StateItem>();
  #closesAt = 0;
  /** When true, jobs fail, some of them half-way. */
  failing = false;
  /** When false, jobs take for ever. */
  working = true;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is in force right now, by key. */
  get inForce(): ReadonlyMap<string, StateItem> {
    return this.#clock.now() < this.#closesAt ? this.#items : new Map();
  }

  /** Hash of what is in force; null: nothing is. */
  get hash(): string | null {
    const items = this.inForce;
    return items.size === 0 ? null : StateHash.of(items.values()).toString();
  }

  /** Somebody else takes an item away. */
  damage(key: string): void {
    this.#items.delete(key);
  }

  /** Carries out a job, `half` of it only when it is going to fail. `agentNow` is the time that the agent believes it is. */
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

  /** Undoes everything, as for a gateway that was deleted. */
  tearDown(): void {
    this.#items = new Map();
    this.#closesAt = 0;
  }

  #load(items: readonly StateItem[], half: boolean): void {
    const kept = half ? items.slice(0, items.length / 2) : items;
    this.#items = new Map(kept.map((item) => [item.key, item]));
  }
}
