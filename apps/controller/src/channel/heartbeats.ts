import type { AgentRole } from '@sallyport/contract/channel';

/** Agents accept no longer interval. */
const longestMs = 60_000;

/**
 * Returns the interval of heartbeats that an agent is told, milliseconds. Devices beat less often when there are very many,
 * so that an idle controller stays idle. Gateways do not, because others depend on them.
 */
export function heartbeatInterval(role: AgentRole, agents: number, perSecond: number, leastMs = 10_000): number {
  if (role === 'gateway') return leastMs;
  return Math.max(leastMs, Math.min(longestMs, Math.round((agents * 1_000) / perSecond)));
}

/** Age at which the number of enrolled agents is counted again, milliseconds. */
const countedMs = 10_000;

/** Parts of the channel that the heartbeats use. */
export interface HeartbeatsHost {
  readonly clock: () => number;
  /** Number of agents that have enrolled, connected or not. */
  readonly enrolled: () => number;
  /** Heartbeats of devices that the controller asks for, all together. */
  readonly perSecond: number;
  readonly leastMs: number | undefined;
}

/**
 * Chooses the interval of each agent's heartbeats when it connects. After a restart the first agents are told at once what
 * suits the whole fleet: at least half of the enrolled agents are expected.
 */
export class Heartbeats {
  readonly #host: HeartbeatsHost;
  #enrolled = 0;
  #countedAt = Number.NEGATIVE_INFINITY;

  constructor(host: HeartbeatsHost) {
    this.#host = host;
  }

  /** `present`: agents that are connected or are about to be. */
  intervalFor(role: AgentRole, present: number): number {
    const { clock, enrolled, perSecond, leastMs } = this.#host;
    const now = clock();
    if (now - this.#countedAt >= countedMs || now < this.#countedAt) {
      this.#enrolled = enrolled();
      this.#countedAt = now;
    }
    return heartbeatInterval(role, Math.max(present, this.#enrolled / 2), perSecond, leastMs);
  }
}
