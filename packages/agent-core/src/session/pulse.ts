import { heartbeatInterval, type SessionTiming } from './timing.ts';
import type { Deadline } from './types.ts';

/** Decides when a live connection needs a heartbeat, and when it has been silent for too long. */
export class Pulse {
  readonly #timing: SessionTiming;
  #everyMs = 10_000;
  /** Null while the connection is not live. */
  #beatAt: number | null = null;
  #heardAt = 0;

  constructor(timing: SessionTiming) {
    this.#timing = timing;
  }

  /** Starts the pulse of a live connection. The first heartbeat is due at once. */
  begin(askedMs: number, now: number): void {
    this.#everyMs = heartbeatInterval(askedMs);
    this.#beatAt = now;
  }

  end(): void {
    this.#beatAt = null;
  }

  heard(now: number): void {
    this.#heardAt = now;
  }

  isSilent(now: number): boolean {
    return now >= this.#silentAt;
  }

  /** Returns whether a heartbeat is due. If so, schedules the next one after a full interval. */
  beat(now: number): boolean {
    if (this.#beatAt === null || now < this.#beatAt) return false;
    this.#beatAt = now + this.#everyMs;
    return true;
  }

  clockWentBack(ms: number): void {
    if (this.#beatAt !== null) this.#beatAt -= ms;
    this.#heardAt -= ms;
  }

  deadlines(): Deadline[] {
    if (this.#beatAt === null) return [];
    return [
      { at: this.#beatAt, why: 'heartbeat' },
      { at: this.#silentAt, why: 'silence' },
    ];
  }

  get #silentAt(): number {
    return this.#heardAt + this.#everyMs * this.#timing.silentHeartbeats;
  }
}
