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
