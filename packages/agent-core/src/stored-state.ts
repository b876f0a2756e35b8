import { channelProtocol, type Snapshot } from '@sallyport/contract/channel';
import { type Authority, DesiredState } from './desired-state.ts';
import { readStoredSnapshot } from './stored-snapshot.ts';

/**
 * Returns the last good state as text for the disk, or null before the first state. `now` is the best known time of the
 * controller. `hostNow` is the host's own clock. Both are epoch milliseconds. The agent ignores a file of another version
 * and waits for the controller.
 */
export function formatStoredState(desired: DesiredState, now: number, hostNow: number): string | null {
  if (desired.signed === null) return null;
  const snapshot = { type: 'snapshot', items: [...desired.items.values()], signed: desired.signed } satisfies Snapshot;
  return JSON.stringify({ version: 1, protocol: channelProtocol, storedAt: hostNow, aheadMs: hostNow - now, snapshot });
}

/** Result of reading the stored state: usable, or the reason why not. */
export type StoredOutcome =
  /** `complete`: false if the state came in an older protocol, whose items may lack newer fields. */
  | {
      readonly kind: 'usable';
      readonly desired: DesiredState;
      readonly complete: boolean;
      /** Lag of the host's clock behind the controller's. */
      readonly shiftMs: number;
    }
  /** The state is authentic but not usable. Its revision is still the minimum for later states. */
  | { readonly kind: 'expired'; readonly desired: DesiredState; readonly reason: string }
  | { readonly kind: 'invalid'; readonly reason: string };

/**
 * Reads the text of `formatStoredState`. It trusts only data that the controller signed. `now` is the host's clock. A clock
 * that was behind counts as still behind, so that a lease ends early rather than late. `earlierKey`: the key of the
 * controller before this one, which may have signed the state.
 */
export function readStoredState(text: string, authority: Authority, now: number, earlierKey?: string): StoredOutcome {
  const outcome = readSigned(text, authority, now);
  if (outcome.kind !== 'invalid' || earlierKey === undefined) return outcome;
  const earlier = readSigned(text, { ...authority, controllerKey: earlierKey }, now);
  return earlier.kind === 'invalid' ? outcome : earlier;
}

function readSigned(text: string, authority: Authority, now: number): StoredOutcome {
  const stored = parseStored(text);
  if (stored === null) return { kind: 'invalid', reason: 'the stored state is damaged' };
  const { storedAt, aheadMs, snapshot, protocol, complete } = stored;
  const shiftMs = Math.max(0, -aheadMs);
  const desired = new DesiredState();
  const verdict = desired.adoptSnapshot(snapshot, authority);
  if (verdict.kind !== 'adopted' && typeof protocol === 'number' && protocol > channelProtocol)
    return {
      kind: 'invalid',
      reason: 'the state was stored by a newer version, and holds what this one does not know',
    };
  if (verdict.kind !== 'adopted')
    return { kind: 'invalid', reason: `the stored state is not valid: ${verdict.reason}` };
  if (now < storedAt) {
    return { kind: 'expired', desired, reason: 'the clock is behind the time at which the state was stored' };
  }
  if (now + shiftMs >= snapshot.signed.statement.leaseUntil)
    return { kind: 'expired', desired, reason: 'the lease of the state is over' };
  return { kind: 'usable', desired, complete, shiftMs };
}

interface Stored {
  readonly storedAt: number;
  readonly aheadMs: number;
  readonly snapshot: Snapshot;
  /** Protocol of the agent that stored it, as it was written. */
  readonly protocol: unknown;
  readonly complete: boolean;
}

function parseStored(text: string): Stored | null {
  const value = parseJson(text) as Record<string, unknown> | null | undefined;
  if (typeof value !== 'object' || value === null || value.version !== 1) return null;
  const snapshot = readStoredSnapshot(value.snapshot);
  if (snapshot === null || typeof value.storedAt !== 'number') return null;
  const { storedAt, protocol } = value;
  const aheadMs = typeof value.aheadMs === 'number' ? value.aheadMs : 0;
  return { storedAt, aheadMs, snapshot, protocol, complete: protocol === channelProtocol };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
