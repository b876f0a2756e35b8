import type { Replicas, StoredFact } from '../../replicas/types.ts';
import type { Log } from '../log.ts';
import { Alarm, type Timers } from '../timers.ts';
import type { SharedStatus } from '../types.ts';
import { LiveReplicas } from './live-replicas.ts';
import { readStatus } from './status.ts';

/** Kind of the facts that tell the status of agents. */
export const statusKind = 'status';

/** An agent as another process told of it. */
interface Foreign {
  readonly generation: number;
  readonly replica: string;
  readonly status: SharedStatus;
  /** When it was last heard of, as shown. It never goes back. */
  lastSeen: number | null;
  /** This process took the agent, which has until then to be welcomed; null: it did not. */
  takenUntil: number | null;
}

/** What is told of agents of other processes. */
export type ForeignStatus = Omit<SharedStatus, 'heartbeatMs' | 'until'>;

/** What foreign agents use, and what they tell. */
export interface ForeignAgentsHost {
  readonly replicas: Replicas;
  readonly clock: () => number;
  readonly timers: Timers;
  readonly log: Pick<Log, 'warn'>;
  /** The status of an agent may have changed. */
  readonly changed: (agent: string) => void;
  /** This process took an agent some time ago that was not welcomed since. */
  readonly notWelcomed: (agent: string) => void;
}

/** A foreign agent is heard of in steps of this length, so that lists of agents stay as they are for a while. */
const seenStepMs = 60_000;
/** Processes that are remembered because they told something unreadable. */
const mostWarned = 1_000;
/** An agent that is taken is welcomed within this time, or comes again. */
const welcomeMs = 10_000;

/**
 * Agents that other processes have, as these tell in facts. The agents of a process that ended keep their status until
 * they have had time to connect elsewhere.
 */
export class ForeignAgents {
  readonly #host: ForeignAgentsHost;
  readonly #agents = new Map<string, Foreign>();
  readonly #live: LiveReplicas;
  /** When agents without a connection count as gone, or should have been welcomed here. */
  readonly #until = new Map<string, number>();
  readonly #alarm: Alarm;
  readonly #warned = new Set<string>();

  constructor(host: ForeignAgentsHost) {
    const { replicas, clock, timers } = host;
    this.#host = host;
    this.#alarm = new Alarm(timers, clock, () => this.#time());
    this.#live = new LiveReplicas({ replicas, clock, timers, over: (replica) => this.#over(replica) });
    replicas.facts.follow(statusKind, (fact) => this.#told(fact));
  }

  stop(): void {
    this.#alarm.stop();
    this.#live.stop();
  }

  generation(agent: string): number | undefined {
    return this.#agents.get(agent)?.generation;
  }

  /** Process that has the agent, as far as is known, if it is there to be asked. */
  holder(agent: string): string | null {
    const replica = this.#agents.get(agent)?.replica;
    return replica !== undefined && this.#host.replicas.isAlive(replica) ? replica : null;
  }

  /** The agent is here from now on. */
  forget(agent: string): void {
    this.#agents.delete(agent);
    this.#until.delete(agent);
  }

  /** This process takes the agent. It keeps its status until it is welcomed. */
  taken(agent: string): void {
    const known = this.#agents.get(agent);
    if (known === undefined) return;
    known.takenUntil = this.#host.clock() + welcomeMs;
    this.#lookAt(agent, Math.min(known.takenUntil, this.#until.get(agent) ?? Infinity));
  }

  /** Null: no other process has told of the agent. */
  status(agent: string): ForeignStatus | null {
    const known = this.#agents.get(agent);
    if (known === undefined) return null;
    const { heartbeatMs, until, ...status } = known.status;
    const now = this.#host.clock();
    const standing = this.#live.standing(known.replica);
    if (standing === 'unknown') return { ...gone, ...(status.agent && { agent: status.agent }) };
    const held = standing === 'alive' || now < standing.until;
    const connected = status.connected && held;
    const alive = status.alive && (status.connected ? held : until === null ? held : now < until);
    if (connected && alive && standing === 'alive') this.#seen(known, now - 3 * heartbeatMs);
    return {
      ...status,
      connected,
      alive,
      converged: status.converged && alive,
      safeToStop: status.safeToStop && connected,
      lastSeen: known.lastSeen,
    };
  }

  /** An agent that is alive was heard of within three heartbeats. */
  #seen(known: Foreign, at: number): void {
    known.lastSeen = Math.max(known.lastSeen ?? 0, Math.floor(at / seenStepMs) * seenStepMs);
  }

  #told({ object: agent, value, generation, replica }: StoredFact): void {
    const known = this.#agents.get(agent);
    if (known !== undefined && known.generation > generation) return;
    const status = value === null ? null : readStatus(value);
    if (value !== null && status === null) this.#warnOnce(replica, agent);
    this.#live.follow(replica);
    this.forget(agent);
    if (status !== null) {
      const lastSeen = known === undefined ? status.lastSeen : Math.max(known.lastSeen ?? 0, status.lastSeen ?? 0);
      const shown = lastSeen === 0 ? null : lastSeen;
      this.#agents.set(agent, { generation, replica, status, lastSeen: shown, takenUntil: null });
      if (!status.connected && status.alive && status.until !== null) this.#lookAt(agent, status.until);
    }
    this.#host.changed(agent);
  }

  #warnOnce(replica: string, agent: string): void {
    if (this.#warned.has(replica) || this.#warned.size >= mostWarned) return;
    this.#warned.add(replica);
    this.#host.log.warn(
      { replica, agent },
      'another controller tells of agents in a form that this version cannot read',
    );
  }

  #time(): void {
    const now = this.#host.clock();
    for (const [agent, until] of this.#until) {
      if (until > now) {
        this.#alarm.set(until);
        continue;
      }
      this.#until.delete(agent);
      const { takenUntil = null } = this.#agents.get(agent) ?? {};
      if (takenUntil !== null && takenUntil > now) this.#lookAt(agent, takenUntil);
      else if (takenUntil !== null) this.#host.notWelcomed(agent);
      this.#host.changed(agent);
    }
  }

  #lookAt(agent: string, at: number): void {
    this.#until.set(agent, at);
    this.#alarm.set(at);
  }

  /** The agents of a process that ended have had their time to come back. */
  #over(replica: string): void {
    for (const [agent, known] of this.#agents) if (known.replica === replica) this.#host.changed(agent);
  }
}

/** Nothing is known of an agent whose process ended before this one began, as after a start without others. */
const gone: ForeignStatus = {
  connected: false,
  alive: false,
  converged: false,
  lastSeen: null,
  error: null,
  applied: null,
  safeToStop: false,
};
