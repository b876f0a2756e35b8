import type { PathsTiming } from './types.ts';

/** What to do next in a trial. `home`: put back the endpoint of the relay. */
export type TrialStep = { readonly kind: 'try'; readonly endpoint: string } | { readonly kind: 'home' };

/**
 * Tries direct endpoints of a peer that is reached through a relay, each for a moment, with traffic back on the relay in
 * between. What still arrives through the relay turns the peer's endpoint round, so it is set again with each probe, and an
 * answer counts only when the device then shows an endpoint that is not the relay's.
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
  /** Something has answered, and the device has to show where it came from. */
  #answered = false;

  /** `rttMs`: through the relay. What does not answer in a few times that does not answer, and traffic need not wait longer. */
  constructor(timing: PathsTiming, rttMs: number | null, now: number) {
    this.#timing = timing;
    this.#patienceMs = Math.min(timing.trialMs, Math.max(shortestMs, 4 * (rttMs ?? timing.trialMs) + shortestMs / 2));
    this.#at = now;
  }

  /** Further endpoints. Each is tried once. */
  add(endpoints: readonly string[]): void {
    for (const endpoint of endpoints) {
      if (!this.#known.has(endpoint)) this.#queue.push(endpoint);
      this.#known.add(endpoint);
    }
  }

  /** Nothing is left to try, and the relay's endpoint has been put back. */
  get isOver(): boolean {
    return this.#current === null && this.#queue.length === 0;
  }

  /** Whether the peer's endpoint is another than the relay's at present. */
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

  /** True: the device has to be looked at, at once. */
  answered(probe: number, now: number): boolean {
    if (this.#current === null || !this.#probes.has(probe)) return false;
    this.#answered = true;
    this.#at = now + this.#patienceMs / 3;
    return true;
  }

  /** The device shows that the peer is (not) at a relay. True: the direct way works. */
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
