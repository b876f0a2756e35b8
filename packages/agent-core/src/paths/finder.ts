import type { PeerStatus } from '@sallyport/wireguard';
import { Liveness } from './liveness.ts';
import { type Candidate, Search, type SearchStep } from './search.ts';
import { hasGrown } from './traffic.ts';
import { Trial } from './trial.ts';
import type { PathState, PathsTiming } from './types.ts';

/** Action that the search for a path requests. */
export type FinderEffect =
  /** Set the peer's endpoint. `anew`: create the peer again, so that it starts a handshake at once. */
  | { readonly kind: 'aim'; readonly endpoint: string; readonly anew: boolean }
  /** Send a liveness probe and report its outcome under this number. */
  | { readonly kind: 'probe'; readonly probe: number }
  | { readonly kind: 'find-path'; readonly relay: boolean }
  | { readonly kind: 'read-status' }
  /** The path was lost. Our NAT mapping may have changed, and other peers are needed. */
  | { readonly kind: 'lost' }
  /** The state or the endpoint has changed. */
  | { readonly kind: 'changed' };

/**
 * Finds and keeps the path to one peer that answers liveness probes: the state table of docs/paths.md. The plane creates and
 * removes the peer, which starts at the endpoint of `aim`.
 */
export class PathFinder {
  readonly #timing: PathsTiming;
  readonly #nextProbe: () => number;
  readonly #liveness: Liveness;
  /** Before the start the path is unknown, so routes stay at their current gateway. */
  #started = false;
  #candidates: readonly Candidate[] = [];
  #punched: readonly Candidate[] = [];
  #worked: Candidate | null = null;
  /** The endpoint that was set or read last. */
  #endpoint: string | null = null;
  #status: PeerStatus | null = null;
  /** Status of the previous peer. A late reading may still show it. */
  #former: PeerStatus | null = null;
  #search: Search | null = null;
  #trial: Trial | null = null;
  #retryMs: number;
  #retryAt = Infinity;
  /** Whether the other side received a request to join the next trial. */
  #asked = false;
  #punchedAt = -Infinity;
  #wasUp = false;
  #upAt = 0;
  /** Start of the current path, direct or relayed. */
  #wayAt = 0;
  #losses = 0;
  /** Last time the peer was heard. Null: not since the peer was created. */
  #heardAt: number | null = null;
  #effects: FinderEffect[] = [];

  constructor(timing: PathsTiming, nextProbe: () => number) {
    this.#timing = timing;
    this.#nextProbe = nextProbe;
    this.#liveness = new Liveness(timing);
    this.#retryMs = timing.firstRetryMs;
  }

  get state(): PathState {
    if (!this.isUp) return this.#wasUp ? 'lost' : 'searching';
    return this.relay === null ? 'direct' : 'relayed';
  }

  get isUp(): boolean {
    return this.#started && this.#search === null;
  }

  /** Gateway whose relay is in use. Null: no relay, or no path. */
  get relay(): string | null {
    if (this.#search !== null) return null;
    if (this.#trial !== null && this.#worked !== null) return this.#worked.relay;
    return this.#relayAt(this.#endpoint);
  }

  get endpoint(): string | null {
    return this.#endpoint;
  }

  get rttMs(): number | null {
    return this.#search === null ? this.#liveness.rttMs : null;
  }

  /** Whether the round-trip time of the present path has enough samples to be compared with others. */
  get isMeasured(): boolean {
    return this.#search === null && this.#liveness.isMeasured;
  }

  get status(): PeerStatus | null {
    return this.#status;
  }

  /** Time from which a restored path may take routes from a working path. */
  get readyAt(): number {
    if (this.#losses === 0) return this.#upAt;
    return this.#upAt + Math.min(this.#timing.holdMs * 2 ** (this.#losses - 1), longestHoldMs);
  }

  /** Starts the search; call it once. `remembered` is the endpoint before this agent started. */
  start(candidates: readonly Candidate[], remembered: string | undefined, now: number): FinderEffect[] {
    return this.#run(now, () => {
      this.#started = true;
      this.#candidates = candidates;
      if (remembered !== undefined) this.#worked = { endpoint: remembered, relay: this.#relayAt(remembered) };
      this.#beginSearch(now, false);
      const [first = null] = this.#order();
      this.#search?.begin(first, now);
      this.#endpoint = first?.endpoint ?? null;
      this.#effects.push({ kind: 'read-status' });
    });
  }

  /** Handles new candidates, after a change of items or of resolved names. */
  offer(candidates: readonly Candidate[], now: number): FinderEffect[] {
    return this.#run(now, () => {
      const known = new Set(this.#candidates.map(({ endpoint }) => endpoint));
      const fresh = candidates.filter(({ endpoint }) => !known.has(endpoint));
      this.#candidates = candidates;
      if (fresh.length === 0) return;
      this.#retryMs = this.#timing.firstRetryMs;
      this.#search?.hurry(now);
      // The other side learns of a new relay at the same time and switches to it as well.
      const [first] = [...fresh.filter(({ relay }) => relay !== null), ...fresh];
      if (first !== undefined && this.#search !== null) this.#interrupt(first, now);
      if (fresh.some((candidate) => candidate.relay === null) && this.state === 'relayed') this.#retryAt = now;
    });
  }

  /** Handles a punch: the other side sends from these addresses now. */
  punch(endpoints: readonly string[], now: number): FinderEffect[] {
    return this.#run(now, () => {
      this.#punched = endpoints.map((endpoint) => ({ endpoint, relay: this.#relayAt(endpoint) }));
      const [first] = this.#punched;
      if (first === undefined) return;
      if (this.#search !== null) this.#interrupt(first, now);
      else if (this.#trial !== null) this.#trial.add(this.#direct());
      else if (this.state === 'relayed' && now - this.#punchedAt >= punchPauseMs) {
        this.#punchedAt = now;
        this.#beginTrial(now);
      }
    });
  }

  networkChanged(now: number): FinderEffect[] {
    return this.#run(now, () => {
      this.#retryMs = this.#timing.firstRetryMs;
      this.#search?.hurry(now);
      if (this.#trial !== null) return;
      this.#liveness.hurry();
      if (this.state === 'relayed') this.#retryAt = Math.min(this.#retryAt, now + this.#timing.candidateMs);
    });
  }

  /** Resumes a search without pauses, because another peer was lost. */
  hurry(now: number): FinderEffect[] {
    return this.#run(now, () => this.#search?.hurry(now));
  }

  /** Handles the outcome of a probe. `rttMs` null: no answer. */
  probed(probe: number, rttMs: number | null, now: number): FinderEffect[] {
    return this.#run(now, () => {
      if (this.#trial?.answered(rttMs === null ? -1 : probe, now)) this.#effects.push({ kind: 'read-status' });
      else if (rttMs === null) {
        this.#liveness.failed(probe);
        if (this.#search !== null) this.#liveness.soon(now);
      } else if (this.#liveness.answered(probe, rttMs)) {
        this.#heardAt = now;
        if (this.#search !== null) this.#becomeUp(now);
      }
    });
  }

  /** Handles a reading of the peer; null: the device does not have it. */
  seen(status: PeerStatus | null, now: number): FinderEffect[] {
    return this.#run(now, () => {
      const grown = status !== null && hasGrown(this.#status ?? this.#former, status);
      this.#status = status;
      if (status === null) return;
      if (grown) this.#heardAt = now;
      if (this.#search !== null) this.#seenInSearch(this.#search, grown, status, now);
      else if (this.#trial?.isAway) this.#seenInTrial(this.#trial, status, now);
      else this.#moved(status.endpoint ?? null);
    });
  }

  /** Sets whether the peer receives traffic from us. */
  setActive(active: boolean, now: number): FinderEffect[] {
    if (this.#liveness.active === active) return [];
    return this.#run(now, () => {
      this.#liveness.active = active;
    });
  }

  tick(now: number): FinderEffect[] {
    return this.#run(now, () => {});
  }

  nextDeadline(): number {
    const all = [this.#liveness.deadline() ?? Infinity, this.#search?.deadline() ?? Infinity, this.#retryAt];
    return Math.min(...all, this.#trial?.deadline() ?? Infinity);
  }

  #run(now: number, step: () => void): FinderEffect[] {
    this.#effects = [];
    const before = `${this.state} ${this.relay} ${this.#endpoint}`;
    step();
    this.#due(now);
    if (before !== `${this.state} ${this.relay} ${this.#endpoint}`) this.#effects.push({ kind: 'changed' });
    return this.#effects;
  }

  #due(now: number): void {
    this.#liveness.look(now);
    if (this.#search === null && this.#trial === null && this.#liveness.isLost) this.#lose(now);
    if (this.#search !== null) for (const step of this.#search.due(this.#order(), now)) this.#take(step, now);
    if (this.#search?.isResting) this.#liveness.pause();
    if (this.#trial !== null) this.#try(this.#trial, now);
    if (now >= this.#retryAt) this.#retry(now);
    if (this.#liveness.isDue(now)) this.#probe((probe) => this.#liveness.sent(probe, now));
  }

  // ---- searching

  #beginSearch(now: number, urgent: boolean): void {
    this.#search = new Search(this.#timing, now, urgent);
    this.#trial = null;
    this.#retryAt = Infinity;
    this.#liveness.restart();
  }

  #lose(now: number): void {
    const quick = now - this.#wayAt < this.#timing.longestPauseMs;
    if (!quick && this.state === 'direct') this.#retryMs = this.#timing.firstRetryMs;
    this.#losses = now - this.#upAt >= forgiveMs ? 1 : this.#losses + 1;
    const relay = quick ? this.#candidates.find((candidate) => candidate.relay !== null) : undefined;
    if (relay !== undefined && this.#relayAt(this.#endpoint) === null) this.#worked = relay;
    this.#beginSearch(now, true);
    const [first = null] = this.#order();
    this.#search?.begin(first?.endpoint === this.#endpoint ? first : null, now);
    if (this.#search?.candidate?.relay) this.#aim(this.#search.candidate, now);
    this.#effects.push({ kind: 'read-status' }, { kind: 'lost' });
  }

  #take(step: SearchStep, now: number): void {
    if (step.kind === 'look') this.#effects.push({ kind: 'read-status' });
    else if (step.kind === 'ask') this.#effects.push({ kind: 'find-path', relay: step.relay });
    else {
      if (step.candidate !== null) this.#aim(step.candidate, now);
      this.#liveness.restart();
    }
  }

  #interrupt(candidate: Candidate, now: number): void {
    if (!this.#search?.interrupt(candidate, now)) return;
    this.#aim(candidate, now);
    this.#liveness.restart();
  }

  #seenInSearch(search: Search, grown: boolean, status: PeerStatus, now: number): void {
    this.#endpoint = status.endpoint ?? this.#endpoint;
    if (!grown) search.despair(now);
    else {
      if (search.isResting) this.#liveness.restart();
      search.hope(now);
    }
  }

  /** Sets the endpoint. A new peer starts a handshake at once. A session that may be valid is kept in the first round. */
  #aim({ endpoint, relay }: Candidate, now: number): void {
    const alive = this.#heardAt !== null && now - this.#heardAt < sessionMs;
    // A relay learns the endpoint of a peer only from handshakes.
    const fresh = alive && relay === null && this.#search?.round === 0;
    if (!fresh) {
      this.#heardAt = null;
      this.#former = this.#status ?? this.#former;
      this.#status = null;
    }
    if (!fresh || endpoint !== this.#endpoint) this.#effects.push({ kind: 'aim', endpoint, anew: !fresh });
    this.#endpoint = endpoint;
  }

  #becomeUp(now: number): void {
    this.#search = null;
    this.#wasUp = true;
    this.#upAt = now;
    this.#wayAt = now;
    this.#effects.push({ kind: 'read-status' });
    this.#settle(now);
  }

  // ---- up

  /** Handles a new endpoint of the peer, after roaming or an answer. */
  #moved(endpoint: string | null): void {
    const relayed = this.relay !== null;
    this.#endpoint = endpoint ?? this.#endpoint;
    this.#remember();
    if (!relayed && this.relay !== null && this.#retryAt === Infinity) this.#retryAt = this.#upAt + this.#retryMs;
    if (relayed && this.relay === null) this.#retryAt = Infinity;
  }

  #settle(now: number): void {
    this.#remember();
    this.#retryAt = this.relay === null ? Infinity : now + this.#retryMs;
  }

  #remember(): void {
    if (this.#endpoint !== null) this.#worked = { endpoint: this.#endpoint, relay: this.#relayAt(this.#endpoint) };
  }

  // ---- from the relay to a direct path

  #retry(now: number): void {
    this.#retryAt = Infinity;
    if (this.state !== 'relayed' || this.#trial !== null) return;
    if (this.#asked) {
      this.#beginTrial(now);
      return;
    }
    // A punch makes both sides try at the same time. Without a punch this side tries alone.
    this.#asked = true;
    this.#retryAt = now + this.#timing.trialMs;
    this.#effects.push({ kind: 'find-path', relay: false });
  }

  #beginTrial(now: number): void {
    this.#trial = new Trial(this.#timing, this.#liveness.rttMs, now);
    this.#trial.add(this.#direct());
    this.#asked = false;
    this.#retryAt = Infinity;
    this.#try(this.#trial, now);
  }

  #try(trial: Trial, now: number): void {
    const step = trial.due(now);
    if (step?.kind === 'try') {
      this.#liveness.pause();
      this.#aimAt(step.endpoint);
      this.#probe((probe) => trial.sent(probe));
    } else if (step?.kind === 'home') {
      if (this.#worked !== null) this.#aimAt(this.#worked.endpoint);
      this.#liveness.hurry();
    }
    if (!trial.isOver) return;
    this.#trial = null;
    this.#retryMs = Math.min(this.#retryMs * 2, this.#timing.lastRetryMs);
    this.#retryAt = now + this.#retryMs;
  }

  #aimAt(endpoint: string): void {
    this.#endpoint = endpoint;
    this.#effects.push({ kind: 'aim', endpoint, anew: false });
  }

  #seenInTrial(trial: Trial, status: PeerStatus, now: number): void {
    if (!trial.seen(this.#relayAt(status.endpoint ?? null) !== null)) return;
    this.#endpoint = status.endpoint ?? this.#endpoint;
    this.#trial = null;
    // Pauses grow after each direct path that does not last.
    this.#retryMs = Math.min(this.#retryMs * 2, this.#timing.lastRetryMs);
    this.#wayAt = now;
    this.#liveness.restart();
    this.#settle(now);
  }

  #probe(sent: (probe: number) => void): void {
    const probe = this.#nextProbe();
    sent(probe);
    this.#effects.push({ kind: 'probe', probe });
  }

  #direct(): string[] {
    return [...this.#punched, ...this.#candidates]
      .filter(({ relay }) => relay === null)
      .map(({ endpoint }) => endpoint);
  }

  /** Returns the candidates, best first. The last working one comes first, even a relay, so that relaying can resume. */
  #order(): Candidate[] {
    const direct = this.#candidates.filter(({ relay }) => relay === null);
    const relays = this.#candidates.filter(({ relay }) => relay !== null);
    const all = [...(this.#worked === null ? [] : [this.#worked]), ...direct, ...this.#punched, ...relays];
    return [...new Map(all.map((candidate) => [candidate.endpoint, candidate])).values()].slice(0, mostCandidates);
  }

  #relayAt(endpoint: string | null): string | null {
    return this.#candidates.find((candidate) => candidate.endpoint === endpoint)?.relay ?? null;
  }
}

/** Age up to which a silent session is kept, milliseconds. WireGuard drops a session after 180 s. */
const sessionMs = 150_000;
/** Uptime of a path after which its earlier losses do not count, milliseconds. */
const forgiveMs = 60_000;
const longestHoldMs = 60_000;
const punchPauseMs = 2_000;
const mostCandidates = 12;
