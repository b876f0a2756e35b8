import { channelProtocol, Snapshot } from '@sallyport/contract/channel';
import { type Authority, DesiredState } from './desired-state.ts';

/**
 * Last good state as text for the disk, or null when there is none yet. `now` is the agent's clock, epoch milliseconds.
 * A file of another version is not read: the agent waits for the controller instead.
 */
export function formatStoredState(desired: DesiredState, now: number): string | null {
  if (desired.signed === null) return null;
  const snapshot = { type: 'snapshot', items: [...desired.items.values()], signed: desired.signed } satisfies Snapshot;
  return JSON.stringify({ version: 1, protocol: channelProtocol, storedAt: now, snapshot });
}

export type StoredOutcome =
  /** `complete`: false when it was received in an older protocol, in which items may lack what newer ones say. */
  | { readonly kind: 'usable'; readonly desired: DesiredState; readonly complete: boolean }
  /** True and signed, but not to be started from; it still tells the revision behind which nothing may go. */
  | { readonly kind: 'expired'; readonly desired: DesiredState; readonly reason: string }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Reads what `formatStoredState` wrote, and believes nothing of it that the controller has not signed. */
export function readStoredState(text: string, authority: Authority, now: number): StoredOutcome {
  const stored = parseStored(text);
  if (stored === null) return { kind: 'invalid', reason: 'the stored state is damaged' };
  const { storedAt, snapshot, complete } = stored;
  const desired = new DesiredState();
  const verdict = desired.adoptSnapshot(snapshot, authority);
  if (verdict.kind !== 'adopted')
    return { kind: 'invalid', reason: `the stored state is not valid: ${verdict.reason}` };
  if (now < storedAt) {
    return { kind: 'expired', desired, reason: 'the clock is behind the time at which the state was stored' };
  }
  if (now >= snapshot.signed.statement.leaseUntil)
    return { kind: 'expired', desired, reason: 'the lease of the state is over' };
  return { kind: 'usable', desired, complete };
}

function parseStored(text: string): { storedAt: number; snapshot: Snapshot; complete: boolean } | null {
  const value = parseJson(text) as Record<string, unknown> | null | undefined;
  if (typeof value !== 'object' || value === null || value.version !== 1) return null;
  const snapshot = Snapshot.safeParse(value.snapshot);
  if (!snapshot.success || typeof value.storedAt !== 'number') return null;
  return { storedAt: value.storedAt, snapshot: snapshot.data, complete: value.protocol === channelProtocol };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
