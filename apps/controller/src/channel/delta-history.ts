import type { Revision, StateDelta, StateItem } from '@sallyport/contract/channel';

/** A state of an agent: its hash, and a revision at which it was desired. */
export interface Position {
  readonly revision: Revision;
  readonly hash: string;
}

/** Bounds of a history. */
export interface HistoryBounds {
  readonly historyDeltas: number;
  readonly historyItems: number;
}

interface Step extends Position {
  readonly delta: StateDelta;
  readonly closes: boolean;
}

/**
 * The last changes of one agent's desired state. An agent that was away briefly gets the changes that it missed instead
 * of everything. The history is bounded in changes and in items. Each state has a serial, because several states may
 * share a revision (time passes without one) or a hash (expiry times are not hashed).
 */
export class DeltaHistory {
  readonly #bounds: HistoryBounds;
  #base: Position;
  #baseSerial: number;
  readonly #first: number;
  #steps: Step[] = [];
  #items = 0;

  constructor(base: Position, serial: number, bounds: HistoryBounds) {
    this.#base = base;
    this.#baseSerial = serial;
    this.#first = serial;
    this.#bounds = bounds;
  }

  /** Serial of the last state. */
  get serial(): number {
    return this.#baseSerial + this.#steps.length;
  }

  /**
   * Whether the history began with the state of a serial. An agent that reports that state has the same revision and
   * hash, but maybe other expiry times.
   */
  inherited(serial: number): boolean {
    return serial === this.#first;
  }

  /** Appends a change that leads from the last state to `step`. */
  push(step: Step): void {
    this.#steps.push(step);
    this.#items += size(step.delta);
    while (this.#steps.length > this.#bounds.historyDeltas || this.#items > this.#bounds.historyItems) this.#drop();
  }

  /** Changes after a serial, oldest first; null when they are not kept. */
  since(serial: number): readonly Step[] | null {
    return serial < this.#baseSerial ? null : this.#steps.slice(serial - this.#baseSerial);
  }

  /** Serial of a position, the oldest when several fit; null when it is not known. */
  locate(position: Position): number | null {
    const { epoch, number } = position.revision;
    if (epoch !== this.#base.revision.epoch || number < this.#base.revision.number) return null;
    let index = this.#steps.length;
    while (this.#at(index).revision.number > number) index--;
    let found: number | null = null;
    for (let held = index; held >= 0; held--) {
      const state = this.#at(held);
      if (state.hash === position.hash) found = held;
      if (state.revision.number < number) break;
    }
    return found === null ? null : this.#baseSerial + found;
  }

  #at(index: number): Position {
    return this.#steps[index - 1] ?? this.#base;
  }

  #drop(): void {
    const step = this.#steps.shift();
    if (step === undefined) return;
    this.#items -= size(step.delta);
    this.#base = { revision: step.revision, hash: step.hash };
    this.#baseSerial++;
  }
}

/** Merges successive deltas into one. It may remove items that the first state does not hold. */
export function mergeDeltas(steps: readonly { readonly delta: StateDelta }[]): StateDelta {
  const [only] = steps;
  if (only !== undefined && steps.length === 1) return only.delta;
  const items = new Map<string, StateItem | null>();
  for (const { delta } of steps) {
    for (const key of delta.removes) items.set(key, null);
    for (const item of delta.upserts) items.set(item.key, item);
  }
  return {
    upserts: [...items.values()].filter((item) => item !== null),
    removes: [...items].filter(([, item]) => item === null).map(([key]) => key),
  };
}

function size(delta: StateDelta): number {
  return delta.upserts.length + delta.removes.length;
}
