import type { PathsTiming } from './types.ts';

/** What to do next in a trial. `home`: put back the endpoint of the relay. */
export type TrialStep = { readonly kind: 'try'; readonly endpoint: string } | { readonly kind: 'home' };

/**
 * Tries direct endpoints of a relayed peer, each for a moment. Between tries the traffic uses the relay. A packet from the
 * relay resets the peer's endpoint, so each probe sets it again. An answer counts only if the device then shows a direct
 * endpoint.
 */
export class Trial {
  readonly #timing: PathsTiming;
  readonly #patienceMs: number;
  readonly #queue: string[] = [];
  readonly #known = new Set<string>();
  #current: string | null = null;
  #endsAt = 0;
  #at: number;
  #probes = new Set<number>();
  /** A probe was answered, and a reading must show the source. */
  #answered = false;

  /** `rttMs`: round-trip time through the relay. A direct endpoint must answer within a small multiple of it. */
  constructor(timing: PathsTiming, rttMs: number | null, now: number) {
    this.#timing = timing;
    this.#patienceMs = Math.min(timing.trialMs, Math.max(shortestMs, 4 * (rttMs ?? timing.trialMs) + shortestMs / 2));
    this.#at = now;
  }

  /** Adds endpoints. Each is tried once. */
  add(endpoints: readonly string[]): void {
    for (const endpoint of endpoints) {
      if (!this.#known.has(endpoint)) this.#queue.push(endpoint);
      this.#known.add(endpoint);
    }
  }

  /** Whether all endpoints were tried and the relay's endpoint is restored. */
  get isOver(): boolean {
    return this.#current === null && this.#queue.length === 0;
  }

  /** Whether the peer's endpoint currently differs from the relay's. */
  get isAway(): boolean {
    return this.#current !== null;
  }

  due(now: number): TrialStep | null {
    if (now < this.#at) return null;
    if (this.#current !== null && now >= this.#endsAt) {
      this.#current = null;
      this.#at = now + this.#timing.candidateMs;
      return { kind: 'home' };
    }
    if (this.#current === null) {
      this.#current = this.#queue.shift() ?? null;
      if (this.#current === null) return null;
      this.#endsAt = now + this.#patienceMs;
      this.#probes = new Set();
    }
    this.#answered = false;
    this.#at = Math.min(now + this.#patienceMs / 3, this.#endsAt);
    return { kind: 'try', endpoint: this.#current };
  }

  sent(probe: number): void {
    this.#probes.add(probe);
  }

  /** Returns true if the device must be read at once. */
  answered(probe: number, now: number): boolean {
    if (this.#current === null || !this.#probes.has(probe)) return false;
    this.#answered = true;
    this.#at = now + this.#patienceMs / 3;
    return true;
  }

  /** Handles a reading that shows whether the peer uses a relay. Returns true if the direct path works. */
  seen(relayed: boolean): boolean {
    const won = this.#answered && !relayed;
    this.#answered = false;
    return won;
  }

  deadline(): number {
    return this.#at;
  }
}

const shortestMs = 200;
