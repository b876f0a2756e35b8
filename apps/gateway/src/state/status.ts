import type { AgentSession } from '@sallyport/agent-core';
import { natOf, type Sighting, type StateDirectory } from '@sallyport/agent-runtime';
import type { Nat } from '@sallyport/contract/local';

/** What an agent last said of itself, for `status`. */
export interface Status {
  readonly pid: number;
  /** ISO 8601. */
  readonly updatedAt: string;
  readonly phase: AgentSession['phase'];
  readonly applied: AgentSession['applied'];
  readonly failure: AgentSession['failure'];
  readonly intent: string | null;
  readonly devices: number;
  /** Left out by older agents. */
  readonly nat?: Nat;
  /** ISO 8601; null: no state yet. */
  readonly leaseUntil: string | null;
  /** By how many milliseconds the host's clock is ahead of the controller's, as far as known; negative: behind. */
  readonly clockAheadMs: number;
}

/** `aheadMs`: by how much the host's clock is ahead of the controller's. */
export function formatStatus(session: AgentSession, now: number, sighting: Sighting | null, aheadMs: number): string {
  const { phase, applied, failure, desired } = session;
  const gateway = desired.items.get('gateway');
  const status: Status = {
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
  };
  return `${JSON.stringify(status)}\n`;
}

/** Null when no agent ever ran here. */
export async function readStatus(directory: StateDirectory): Promise<Status | null> {
  try {
    return JSON.parse((await directory.read('status.json')) ?? 'null') as Status | null;
  } catch {
    return null;
  }
}
