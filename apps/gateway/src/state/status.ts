import type { AgentSession } from '@sallyport/agent-core';
import { natOf, type Sighting, type StateDirectory } from '@sallyport/agent-runtime';
import { GatewayAgentStatus } from '@sallyport/contract/local';

export interface StatusFacts {
  /** What could not be stored, a sentence each. */
  readonly notes: readonly string[];
  readonly sighting: Sighting | null;
  /** By how much the host's clock is ahead of the controller's. */
  readonly aheadMs: number;
  /** What makes the tunnel slower than it has to be, or null. */
  readonly slow: string | null;
}

export function formatStatus(
  session: AgentSession,
  now: number,
  { sighting, aheadMs, slow, notes }: StatusFacts,
): string {
  const { phase, applied, failure, desired } = session;
  const gateway = desired.items.get('gateway');
  const status: GatewayAgentStatus = {
    pid: process.pid,
    updatedAt: new Date(now).toISOString(),
    phase,
    applied,
    failure: failure && { code: failure.code, message: failure.message },
    intent: gateway?.kind === 'gateway' ? gateway.intent : null,
    devices: [...desired.items.values()].filter(({ kind }) => kind === 'device').length,
    nat: natOf(sighting, desired.items),
    leaseUntil: desired.statement === null ? null : new Date(desired.statement.leaseUntil).toISOString(),
    clockAheadMs: Math.round(aheadMs),
    notes: [...notes],
    slow,
  };
  return `${JSON.stringify(status)}\n`;
}

/** Null when no agent ever ran here, or the file says nothing that can be understood. */
export async function readStatus(directory: StateDirectory): Promise<GatewayAgentStatus | null> {
  try {
    const read = GatewayAgentStatus.safeParse(JSON.parse((await directory.read('status.json')) ?? 'null'));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}
