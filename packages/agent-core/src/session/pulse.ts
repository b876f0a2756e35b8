import { heartbeatInterval, type SessionTiming } from './timing.ts';
import type { Deadline } from './types.ts';

/** When a live connection has to be spoken on, and when it has been silent for too long. */
export class Pulse {
  readonly #timing: SessionTiming;
  #everyMs = 10_000;
  /** Null: the connection is not live. */
  #beatAt: number | null = null;
  #heardAt = 0;

  constructor(timing: SessionTiming) {
    this.#timing = timing;
  }

  /** The connection is live; the first beat is due at once. */
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

  /** Whether a beat is due; if so, the next one is a whole interval away. */
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
