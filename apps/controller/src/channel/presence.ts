import type { AgentReports } from './agent-reports.ts';
import type { Position } from './delta-history.ts';
import { PeerStatisticsBook } from './peer-statistics.ts';
import type { Presence, StateChange } from './types.ts';

/** Times that decide whether an agent counts as alive and converged. */
export interface PresenceSettings {
  readonly graceMs: number;
  readonly settleMs: number;
}

type Applied = NonNullable<Presence['applied']>;

/** Presence of an agent that never connected to this process. */
export const absent: Presence = {
  connected: false,
  alive: false,
  converged: false,
  lastSeen: null,
  error: null,
  applied: null,
  statistics: PeerStatisticsBook.none,
  probes: new Map(),
  safeToStop: false,
  clockSkewMs: null,
};

/** What is known about one agent (docs/architecture.md, "Failure"). The time is an argument of every question. */
export class AgentPresence {
  readonly #settings: PresenceSettings;
  readonly #wasDesired: (position: Position) => boolean;
  readonly #desiredHash: () => string | null;
  readonly #reports: AgentReports;
  #heartbeatMs = 0;
  #connected = false;
  #goneAt: number | null = null;
  #lastSeen: number | null = null;
  #heldUntil: number | null = null;
  #applied: Applied | null = null;
  #appliedWasDesired = false;
  #hadElsewhere: string | null = null;
  #behindSince: number | null = null;
  #unconfirmedSince: number | null = null;
  #error: string | null = null;
  #failedOnThisConnection = false;
  #confirmed = false;
  #safeToStop = false;

  constructor(
    settings: PresenceSettings,
    desired: { wasDesired: (position: Position) => boolean; hash: () => string | null },
    reports: AgentReports,
  ) {
    this.#settings = settings;
    this.#reports = reports;
    this.#wasDesired = desired.wasDesired;
    this.#desiredHash = desired.hash;
  }

  /**
   * `applied`: the state that the agent reports to be in force. An agent that has just started does not know it yet.
   * Then the state from before counts for a moment, except on a new host. `hadElsewhere`: hash of the state that another
   * process wanted until a moment ago. What this one wants may be newer.
   */
  connected(applied: Position | null, newHost: boolean, now: number, hadElsewhere: string | null = null): void {
    this.#connected = true;
    this.#hadElsewhere = hadElsewhere;
    this.#goneAt = null;
    this.#heldUntil = null;
    this.#failedOnThisConnection = false;
    this.#confirmed = false;
    this.#lastSeen = now;
    if (newHost) this.#applied = null;
    if (applied === null) this.unconfirmed(now);
    else this.applied({ ...applied, tookMs: 0 }, 'connecting', now);
  }

  /** Sets the interval of heartbeats that the agent was told. */
  beatsEvery(ms: number): void {
    this.#heartbeatMs = ms;
  }

  disconnected(now: number): void {
    this.#connected = false;
    this.#goneAt = now;
    this.#safeToStop = false;
  }

  heard(now: number): void {
    this.#lastSeen = now;
  }

  /** A re-keyed gateway stays as it is until its lease ends or another agent enrols: its packets still flow. */
  hold(until: number | null, now: number): void {
    if (until !== null && this.alive(now)) this.#heldUntil = until;
  }

  /** The agent reports a state in force: in an acknowledgement, on connecting, or in a heartbeat. */
  applied(applied: Applied, how: 'acknowledged' | 'connecting' | 'heartbeat', now: number): void {
    const tookMs = how === 'acknowledged' ? applied.tookMs : (this.#applied?.tookMs ?? applied.tookMs);
    const progress = this.#applied?.hash !== applied.hash || how === 'acknowledged';
    const known = this.#applied;
    const sameState = known?.hash === applied.hash && known.revision.epoch === applied.revision.epoch;
    const number = Math.max(applied.revision.number, sameState ? known.revision.number : 0);
    this.#applied = { ...applied, revision: { ...applied.revision, number }, tookMs };
    this.#unconfirmedSince = null;
    this.#appliedWasDesired = applied.hash === this.#hadElsewhere || this.#wasDesired(applied);
    if (progress) this.#behindSince = null;
    this.desiredMoved(now);
    const desiredNow = applied.hash === this.#desiredHash();
    if (how === 'acknowledged' || (how === 'heartbeat' && desiredNow && !this.#failedOnThisConnection)) {
      this.#error = null;
      this.#confirmed = true;
    }
  }

  /** The agent does not know which state is in force. */
  unconfirmed(now: number): void {
    this.#unconfirmedSince ??= now;
  }

  failed(message: string): void {
    this.#error = message;
    this.#failedOnThisConnection = true;
    this.#confirmed = false;
  }

  safeToStop(safe: boolean): void {
    this.#safeToStop = safe;
  }

  /**
   * To be called before the desired state changes. Until then the state that is in force was the desired one at every
   * revision. The agent is not told of revisions that do not concern it.
   */
  stateEnds({ revision, from }: Extract<StateChange, { kind: 'delta' }>): void {
    const applied = this.#applied;
    if (applied?.hash !== from || applied.revision.epoch !== revision.epoch) return;
    const number = Math.max(applied.revision.number, revision.number - 1);
    this.#applied = { ...applied, revision: { ...revision, number } };
  }

  /** To be called when the desired state changed. */
  desiredMoved(now: number): void {
    if (this.#applied?.hash === this.#desiredHash()) this.#behindSince = null;
    else this.#behindSince ??= now;
  }

  /** When the agent counts as gone by time alone; null: not by time, or it is gone already. */
  aliveUntil(now: number): number | null {
    if (!this.alive(now) || this.#connected) return null;
    const goneAt = Math.min(this.#missedAt(), (this.#goneAt ?? 0) + this.#settings.graceMs);
    return Math.max(goneAt, this.#heldUntil ?? 0);
  }

  get heartbeatMs(): number {
    return this.#heartbeatMs;
  }

  get heldUntil(): number | null {
    return this.#heldUntil;
  }

  /** The agent of this connection reported a state in force, and no error since. */
  get confirmed(): boolean {
    return this.#confirmed;
  }

  alive(now: number): boolean {
    if (this.#heldUntil !== null && now < this.#heldUntil) return true;
    if (this.#lastSeen === null || now >= this.#missedAt()) return false;
    return this.#connected || now < (this.#goneAt ?? 0) + this.#settings.graceMs;
  }

  /** Whether the state in force is the desired one, or was until a moment ago. A change on its way is not an outage. */
  converged(now: number): boolean {
    if (this.#applied === null) return false;
    if (this.#heldUntil !== null && now < this.#heldUntil) return this.#appliedWasDesired;
    const { settleMs } = this.#settings;
    if (this.#unconfirmedSince !== null && now >= this.#unconfirmedSince + settleMs) return false;
    if (this.#applied.hash === this.#desiredHash()) return true;
    return this.#appliedWasDesired && this.#behindSince !== null && now < this.#behindSince + settleMs;
  }

  view(now: number): Presence {
    const { peers, probes, clockSkewMs, agent, names } = this.#reports;
    const view: Presence = {
      connected: this.#connected,
      alive: this.alive(now),
      converged: this.converged(now),
      lastSeen: this.#lastSeen,
      error: this.#error,
      applied: this.#applied,
      get statistics() {
        return peers.counters(now);
      },
      probes: probes.results,
      safeToStop: this.#safeToStop,
      clockSkewMs,
    };
    return Object.assign(view, agent !== null && { agent }, names !== null && { names });
  }

  /** Next moment at which the view changes by time alone; null when it does not. */
  nextDeadline(now: number): number | null {
    const { graceMs, settleMs } = this.#settings;
    const moments = [
      this.#lastSeen === null ? null : this.#missedAt(),
      this.#connected || this.#goneAt === null ? null : this.#goneAt + graceMs,
      this.#behindSince === null ? null : this.#behindSince + settleMs,
      this.#unconfirmedSince === null ? null : this.#unconfirmedSince + settleMs,
      this.#heldUntil,
    ].filter((at) => at !== null && at > now);
    return moments.length === 0 ? null : Math.min(...moments.map(Number));
  }

  #missedAt(): number {
    return (this.#lastSeen ?? 0) + 3 * this.#heartbeatMs;
  }
}

/** Returns everything that the shown status depends on, as one comparable text. */
export function shownBy(presence: Presence): string {
  const { connected, alive, converged, safeToStop, error } = presence;
  return [connected, alive, converged, safeToStop, error === null ? '' : `error ${error}`].join();
}
