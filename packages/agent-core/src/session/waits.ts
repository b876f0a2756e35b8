import { backoffDelay } from '../backoff.ts';
import { Pulse } from './pulse.ts';
import type { SessionTiming } from './timing.ts';
import { isConnected } from './transitions.ts';
import type { Deadline, Moment, Phase } from './types.ts';

/** Timers of a connection: the end of a phase, the next try, and the heartbeats. */
export class Waits {
  readonly pulse: Pulse;
  readonly #timing: SessionTiming;
  #phase: Phase = 'idle';
  /** Time at which the phase must end or the wait is over. */
  #phaseEnds: number | null = null;
  #openedAt: number | null = null;
  #attempts = 0;

  constructor(timing: SessionTiming) {
    this.#timing = timing;
    this.pulse = new Pulse(timing);
  }

  opened(now: number): void {
    this.#openedAt = now;
  }

  enter(phase: Phase, ends: number | null): void {
    this.#phase = phase;
    this.#phaseEnds = ends;
    if (phase !== 'live') this.pulse.end();
    if (!isConnected(phase)) this.#openedAt = null;
  }

  isPhaseOver(now: number): boolean {
    return this.#phaseEnds !== null && now >= this.#phaseEnds;
  }

  /** Returns how long to wait before the next try, milliseconds. A connection that lasted ends the back-off. */
  retryDelay({ now, random }: Moment): number {
    if (this.#openedAt !== null && now - this.#openedAt >= this.#timing.goodAfterMs) this.#attempts = 0;
    const delay = backoffDelay(this.#timing.reconnect, this.#attempts, random);
    this.#attempts += 1;
    return delay;
  }

  clockWentBack(ms: number): void {
    if (this.#phaseEnds !== null) this.#phaseEnds -= ms;
    if (this.#openedAt !== null) this.#openedAt -= ms;
    this.pulse.clockWentBack(ms);
  }

  deadlines(): Deadline[] {
    const why = this.#phase === 'waiting' || this.#phase === 'refused' ? 'retry' : 'connect-timeout';
    return [...(this.#phaseEnds === null ? [] : [{ at: this.#phaseEnds, why } as const]), ...this.pulse.deadlines()];
  }
}
