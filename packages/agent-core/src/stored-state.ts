import { channelProtocol, Snapshot } from '@sallyport/contract/channel';
import { type Authority, DesiredState } from './desired-state.ts';

/**
 * Last good state as text for the disk, or null when there is none yet. `now` is the controller's time as far as known, `hostNow`
 * the host's own clock, epoch milliseconds.
 * A file of another version is not read: the agent waits for the controller instead.
 */
export function formatStoredState(desired: DesiredState, now: number, hostNow: number): string | null {
  if (desired.signed === null) return null;
  const snapshot = { type: 'snapshot', items: [...desired.items.values()], signed: desired.signed } satisfies Snapshot;
  return JSON.stringify({ version: 1, protocol: channelProtocol, storedAt: hostNow, aheadMs: hostNow - now, snapshot });
}

/** Result of reading the state from disk: usable, or not and why. */
export type StoredOutcome =
  /** `complete`: false when it was received in an older protocol, in which items may lack what newer ones say. */
  | {
      readonly kind: 'usable';
      readonly desired: DesiredState;
      readonly complete: boolean;
      /** By how much the host's clock was behind the controller's, when it was. */
      readonly shiftMs: number;
    }
  /** True and signed, but not to be started from; it still tells the revision behind which nothing may go. */
  | { readonly kind: 'expired'; readonly desired: DesiredState; readonly reason: string }
  | { readonly kind: 'invalid'; readonly reason: string };

/**
 * Reads what `formatStoredState` wrote, and believes nothing of it that the controller has not signed. `now` is the host's clock. A
 * clock that was behind is taken to be behind still, so a lease rather ends early than late.
 */
export function readStoredState(text: string, authority: Authority, now: number): StoredOutcome {
  const stored = parseStored(text);
  if (stored === null) return { kind: 'invalid', reason: 'the stored state is damaged' };
  const { storedAt, aheadMs, snapshot, complete } = stored;
  const shiftMs = Math.max(0, -aheadMs);
  const desired = new DesiredState();
  const verdict = desired.adoptSnapshot(snapshot, authority);
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
  readonly complete: boolean;
}

function parseStored(text: string): Stored | null {
  const value = parseJson(text) as Record<string, unknown> | null | undefined;
  if (typeof value !== 'object' || value === null || value.version !== 1) return null;
  const snapshot = Snapshot.safeParse(value.snapshot);
  if (!snapshot.success || typeof value.storedAt !== 'number') return null;
  const { storedAt, protocol } = value;
  const aheadMs = typeof value.aheadMs === 'number' ? value.aheadMs : 0;
  return { storedAt, aheadMs, snapshot: snapshot.data, complete: protocol === channelProtocol };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
