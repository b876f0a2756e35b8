import type { AgentSession } from '@sallyport/agent-core';
import { natOf, type Sighting, type StateDirectory } from '@sallyport/agent-runtime';
import { GatewayAgentStatus } from '@sallyport/contract/local';

/** Facts for the status of the gateway. */
export interface StatusFacts {
  readonly version: string;
  /** State that could not be stored, one sentence each. */
  readonly notes: readonly string[];
  readonly sighting: Sighting | null;
  /** How far the host's clock is ahead of the controller's. */
  readonly aheadMs: number;
  /** Reason for a slow tunnel, or null. */
  readonly slow: string | null;
}

/** Formats the status file. */
export function formatStatus(
  session: AgentSession,
  now: number,
  { version, sighting, aheadMs, slow, notes }: StatusFacts,
): string {
  const { phase, applied, failure, desired } = session;
  const gateway = desired.items.get('gateway');
  const status: GatewayAgentStatus = {
    version,
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

/** Parses the status file. Null when no agent ever ran here, or the file is not valid. */
export async function readStatus(directory: StateDirectory): Promise<GatewayAgentStatus | null> {
  try {
    const read = GatewayAgentStatus.safeParse(JSON.parse((await directory.read('status.json')) ?? 'null'));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}
