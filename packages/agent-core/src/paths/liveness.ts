import type { PathsTiming } from './types.ts';

interface Sent {
  readonly at: number;
  missAt: number;
  missed: boolean;
  postponed: boolean;
}

/** Tracks whether one path answers: the time of the next probe and the number of consecutive missed probes. */
export class Liveness {
  readonly #timing: PathsTiming;
  readonly #sent = new Map<number, Sent>();
  #samples: number[] = [];
  #misses = 0;
  #lastAt = -Infinity;
  #paused = false;

  /** Whether the path carries traffic. It is then probed more often. */
  active = false;

  constructor(timing: PathsTiming) {
    this.#timing = timing;
  }

  /** Minimum of the last round-trip times, because load and handshakes only add delay. */
  get rttMs(): number | null {
    return this.#samples.length === 0 ? null : Math.min(...this.#samples);
  }

  /** Whether the round-trip time has enough samples to be compared with others. */
  get isMeasured(): boolean {
    return this.#samples.length >= sampleCount;
  }

  /** Returns whether enough probes were missed in a row to count the path as lost. */
  get isLost(): boolean {
    return this.#misses >= this.#timing.misses;
  }

  /** Forgets everything; the next probe is due at once. */
  restart(): void {
    this.#samples = [];
    this.hurry();
  }

  /** Like `restart`, but keeps the measurements of the path. */
  hurry(): void {
    this.#sent.clear();
    this.#misses = 0;
    this.#lastAt = -Infinity;
    this.#paused = false;
  }

  /** Suspends probes until `hurry`. */
  pause(): void {
    this.#paused = true;
    this.#sent.clear();
  }

  isDue(now: number): boolean {
    return !this.#paused && now >= this.#dueAt;
  }

  sent(probe: number, now: number): void {
    this.#lastAt = now;
    this.#sent.set(probe, { at: now, missAt: now + this.#patienceMs, missed: false, postponed: false });
  }

  /**
   * Counts missed probes. After a late check it waits a little longer, because an unread answer may have arrived.
   */
  look(now: number): void {
    for (const [probe, sent] of this.#sent) {
      if (now - sent.at >= forgetMs) this.#sent.delete(probe);
      if (sent.missed || now < sent.missAt) continue;
      if (now - sent.missAt > lateMs && !sent.postponed) {
        sent.missAt = now + lateMs / 2;
        sent.postponed = true;
      } else {
        sent.missed = true;
        this.#misses += 1;
      }
    }
  }

  /** Handles an answer. Returns false if it belongs to no probe. A late answer is still a sign of life. */
  answered(probe: number, rttMs: number): boolean {
    if (!this.#sent.delete(probe)) return false;
    this.#misses = 0;
    this.#samples = [...this.#samples, rttMs].slice(-sampleCount);
    return true;
  }

  /** Handles a probe that could not be sent or got an invalid answer. */
  failed(probe: number): void {
    const sent = this.#sent.get(probe);
    if (sent === undefined) return;
    this.#sent.delete(probe);
    if (!sent.missed) this.#misses += 1;
  }

  /** Schedules the next probe soon, because the last one was not sent. */
  soon(now: number): void {
    this.#lastAt = Math.min(this.#lastAt, now + soonMs - this.#timing.probeMs);
  }

  deadline(): number | null {
    if (this.#paused) return null;
    const misses = [...this.#sent.values()].filter(({ missed }) => !missed).map(({ missAt }) => missAt);
    return Math.min(this.#dueAt, ...misses);
  }

  get #dueAt(): number {
    const often = this.active || this.#misses > 0 || !this.isMeasured;
    return this.#lastAt + (often ? this.#timing.probeMs : this.#timing.idleProbeMs);
  }

  get #patienceMs(): number {
    return Math.max(this.#timing.missMs, Math.min(3 * Math.max(0, ...this.#samples), longestPatienceMs));
  }
}

const sampleCount = 5;
const lateMs = 150;
const soonMs = 100;
const longestPatienceMs = 1_000;
/** Longer than the timeout of an answer. */
const forgetMs = 3_000;
