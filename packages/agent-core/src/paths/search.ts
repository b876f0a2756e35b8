import type { PathsTiming } from './types.ts';

/** A possible endpoint of a peer. */
export interface Candidate {
  /** Address and port, canonical. */
  readonly endpoint: string;
  /** Gateway that owns this relay. Null: a direct endpoint. */
  readonly relay: string | null;
}

/** What to do next in a search. */
export type SearchStep =
  | { readonly kind: 'try'; readonly candidate: Candidate | null }
  /** Read the device, so that a handshake that has just succeeded is not discarded. */
  | { readonly kind: 'look' }
  | { readonly kind: 'ask'; readonly relay: boolean };

/**
 * Tries candidates in rounds. Each has a time limit. A candidate that sent something gets more time. A null candidate is
 * the current endpoint of the peer.
 */
export class Search {
  readonly #timing: PathsTiming;
  #round = 0;
  #index = 0;
  #candidate: Candidate | null = null;
  #stage: 'open' | 'looking' | 'hopeful' | 'resting' = 'open';
  #beganAt: number;
  #endsAt: number;
  #askAt: number;
  #askedAt = -Infinity;
  #interruptedAt = -Infinity;

  constructor(timing: PathsTiming, now: number, urgent: boolean) {
    this.#timing = timing;
    this.#beganAt = now;
    this.#endsAt = now + timing.candidateMs;
    this.#askAt = urgent ? now : now + timing.probeMs;
  }

  get round(): number {
    return this.#round;
  }

  get candidate(): Candidate | null {
    return this.#candidate;
  }

  get isResting(): boolean {
    return this.#stage === 'resting';
  }

  /** Starts with this candidate. Null: start with the current endpoint, then try the candidates in order. */
  begin(candidate: Candidate | null, now: number): void {
    if (candidate === null) this.#index = -1;
    this.#try(candidate, now);
  }

  /** Gives the candidate more time, because the peer sent something. */
  hope(now: number): void {
    if (this.#stage === 'hopeful') return;
    if (this.#stage === 'resting') this.#try(null, now);
    this.#stage = 'hopeful';
    this.#endsAt = now + hopeFactor * this.#timing.candidateMs;
  }

  /** Ends the wait, because a reading showed that nothing arrived. */
  despair(now: number): void {
    if (this.#stage === 'looking') this.#endsAt = now;
  }

  /**
   * Tries this candidate at once, because the other side sends now. The interrupted candidate comes next. Returns false if
   * the current candidate must not be interrupted. Otherwise frequent punches would starve slow candidates.
   */
  interrupt(candidate: Candidate, now: number): boolean {
    const { candidateMs, probeMs } = this.#timing;
    const same = this.#candidate?.endpoint === candidate.endpoint;
    const relaying = this.#candidate?.relay != null && this.#stage !== 'resting';
    if (this.#stage === 'hopeful' || (same && now - this.#beganAt < probeMs)) return false;
    if (candidate.relay === null && (relaying || now - this.#interruptedAt < 2 * candidateMs)) return false;
    this.#interruptedAt = now;
    if (!same) this.#index -= 1;
    this.#try(candidate, now);
    return true;
  }

  /** Restarts the rounds after changes of networks, names or items. */
  hurry(now: number): void {
    if (this.#stage !== 'resting') return;
    this.#endsAt = now;
    this.#round = Math.min(this.#round, restlessRounds - 1);
  }

  due(candidates: readonly Candidate[], now: number): SearchStep[] {
    const steps: SearchStep[] = [];
    if (now >= this.#endsAt) steps.push(...this.#advance(candidates, now));
    if (now >= this.#askAt && now - this.#askedAt >= this.#timing.candidateMs / 2) {
      this.#askAt = Infinity;
      this.#askedAt = now;
      steps.push({ kind: 'ask', relay: this.#round >= directRounds });
    }
    return steps;
  }

  deadline(): number {
    return Math.min(this.#endsAt, Math.max(this.#askAt, this.#askedAt + this.#timing.candidateMs / 2));
  }

  #advance(candidates: readonly Candidate[], now: number): SearchStep[] {
    if (this.#stage === 'open') {
      this.#stage = 'looking';
      this.#endsAt = now + lookMs;
      return [{ kind: 'look' }];
    }
    if (this.#stage === 'resting') this.#index = 0;
    else this.#index = Math.max(this.#index + 1, 0);
    if (this.#index >= candidates.length && this.#stage !== 'resting') {
      this.#round += 1;
      this.#index = 0;
      const restMs = this.#restMs;
      if (restMs > 0) {
        this.#stage = 'resting';
        this.#endsAt = now + restMs;
        return [];
      }
    }
    this.#try(candidates[this.#index] ?? null, now);
    this.#askAt = now;
    return [{ kind: 'try', candidate: this.#candidate }];
  }

  get #restMs(): number {
    const grown = this.#timing.candidateMs * 2 ** Math.min(this.#round - restlessRounds, 10);
    return this.#round < restlessRounds ? 0 : Math.min(this.#timing.longestPauseMs, grown);
  }

  #try(candidate: Candidate | null, now: number): void {
    this.#candidate = candidate;
    this.#stage = 'open';
    this.#beganAt = now;
    this.#endsAt = now + this.#timing.candidateMs;
  }
}

const lookMs = 250;
const hopeFactor = 3;
/** Rounds before the search requests a relay. */
const directRounds = 2;
/** Number of first rounds without a pause. */
const restlessRounds = 5;
