import type { Revision, StateDelta } from '@sallyport/contract/channel';
import { DeltaHistory, type HistoryBounds, mergeDeltas, type Position } from './delta-history.ts';
import type { StateChange } from './types.ts';

/** A path from one state to the desired one. `delta` builds it; null when the items are the same. */
export interface Path {
  readonly delta: (() => StateDelta) | null;
  /** Whether a gateway may have to close something on the way. */
  readonly closes: boolean;
  /** Number of changes on the way. */
  readonly changes: number;
}

/**
 * The desired state of one agent, followed from change to change. A change may arrive before its base state is loaded,
 * so the feed takes both in any order.
 */
export class StateFeed {
  readonly #bounds: HistoryBounds;
  #history: DeltaHistory | null = null;
  #desired: Position | null = null;
  #issued = false;

  constructor(bounds: HistoryBounds) {
    this.#bounds = bounds;
  }

  /** Null until a state is known. */
  get desired(): Position | null {
    return this.#desired;
  }

  /** Number of the desired state; grows with every change of items. */
  get serial(): number {
    return this.#history?.serial ?? 0;
  }

  changed({ revision, from, to: hash, delta, closes }: Extract<StateChange, { kind: 'delta' }>): void {
    const before = this.#desired;
    const sameEpoch = before?.revision.epoch === revision.epoch;
    if (before !== null && sameEpoch && revision.number < before.revision.number) return;
    if (sameEpoch && before?.hash === from) this.#history?.push({ revision, hash, delta, closes });
    else this.#restart({ revision, hash });
    this.#desired = { revision, hash };
  }

  /** Takes the state that the runtime returned. A state older than the known one changes nothing. */
  loaded({ revision, hash }: Position): void {
    const known = this.#desired;
    if (known !== null && known.revision.epoch === revision.epoch) {
      if (known.revision.number > revision.number) return;
      if (known.hash === hash) {
        this.#desired = { revision, hash };
        return;
      }
    }
    this.#restart({ revision, hash });
    this.#desired = { revision, hash };
  }

  /** Returns the serial of a position, or null when only a snapshot leads on from it. */
  locate(position: Position): number | null {
    return this.#history?.locate(position) ?? null;
  }

  /**
   * Returns the serial of a state that an agent reports, including expiry times; null when only a snapshot leads on
   * from it.
   */
  locateReported(position: Position): number | null {
    const serial = this.locate(position);
    return serial === null || (this.#history?.inherited(serial) && !this.#issued) ? null : serial;
  }

  /**
   * To be called when an agent with another state, or none, is sent this one. Agents that report it later got it from
   * here.
   */
  issued(): void {
    this.#issued = true;
  }

  /** Returns the path from a serial, or null when it is not kept any more. */
  pathFrom(serial: number): Path | null {
    const steps = this.#history?.since(serial) ?? null;
    if (steps === null) return null;
    const closes = steps.some((step) => step.closes);
    return { delta: steps.length === 0 ? null : () => mergeDeltas(steps), closes, changes: steps.length };
  }

  /** Returns whether a state is the desired one, or was at its revision. */
  wasDesired(position: Position): boolean {
    return position.hash === this.#desired?.hash || this.locate(position) !== null;
  }

  #restart(base: { revision: Revision; hash: string }): void {
    this.#history = new DeltaHistory(base, this.serial + 1, this.#bounds);
    this.#issued = false;
  }
}
