import type { AuditVerification } from '@sallyport/contract';
import { auditHash, genesisHash } from '../../db/history.ts';
import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { breathe } from '../../slices.ts';
import { type AuditRow, auditSpan, eventsBehind, type Place } from './store.ts';

/**
 * Works the chain of a tenant's audit events out again, from the anchor (or the very first event) to the newest. An event
 * that was edited, removed, inserted or moved breaks it, and so does an end that was cut off: the tenant keeps the hash of
 * its newest event. Only who also rewrites everything behind it and that hash is not found so: compare `head` with one that
 * was kept elsewhere.
 */
export async function verifyAudit(store: Store, tenant: string, signal?: AbortSignal): Promise<AuditVerification> {
  for (;;) {
    const { state, result } = await walk(store, tenant, signal);
    if (result.intact || state === (await stateOf(store, tenant))) return result;
    // Old events were dropped, or new ones were written, in the middle of it.
  }
}

async function walk(store: Store, tenant: string, signal: AbortSignal | undefined) {
  const db = scoped(store.db, tenant);
  const { anchor, ...span } = await store.read((open) => auditSpan(scoped(open, tenant)));
  const state = stateText(anchor, span.hash);
  let head = anchor?.hash ?? genesisHash;
  let checked = 0;
  let place: Place = anchor ?? { revision: 0, seq: 0 };
  const result = (rest: {
    intact: boolean;
    firstBad?: string;
    reason?: string;
  }): { state: string; result: AuditVerification } => ({
    state,
    result: { checked, head, ...rest },
  });
  while (signal?.aborted !== true) {
    const rows = await eventsBehind(db, {}, { first: 0, last: span.last }, place, batchSize);
    for (const row of rows) {
      const reason = fault(tenant, row, head, place);
      if (reason !== null) return result({ intact: false, firstBad: idOf(row), reason });
      head = row.hash;
      place = row;
      checked++;
    }
    if (rows.length < batchSize) break;
    await breathe();
  }
  if (signal?.aborted === true) return result({ intact: head === span.hash });
  // A revision that is for programs alone has no event.
  if (head === span.hash) return result({ intact: true });
  if (place.revision === span.last) {
    const reason = 'the trail ends before the newest event that the tenant knows of: the newest events are missing';
    return result({ intact: false, firstBad: `${place.revision}.${place.seq + 1}`, reason });
  }
  const reason = `the trail ends at revision ${place.revision}, but the tenant is at ${span.last}: the newest events are missing`;
  return result({ intact: false, firstBad: `${place.revision + 1}.0`, reason });
}

/** Why an event does not fit behind the one before it, or null. */
function fault(tenant: string, row: AuditRow, head: string, before: Place): string | null {
  const { hash, tenant_id: _, ...event } = row;
  if (event.prev_hash !== head) return `it does not follow ${idOf(before)}: an event was removed, inserted or moved`;
  return auditHash(tenant, event) === hash ? null : 'its content does not match its hash: it was edited';
}

/** What a walk depends on: where the trail begins and ends. */
async function stateOf(store: Store, tenant: string): Promise<string> {
  const { anchor, hash } = await auditSpan(scoped(store.db, tenant));
  return stateText(anchor, hash);
}

const stateText = (anchor: { readonly hash: string } | null, hash: string): string => `${anchor?.hash ?? ''} ${hash}`;

const idOf = ({ revision, seq }: Place): string => `${revision}.${seq}`;

/** Events per slice: a few milliseconds. */
const batchSize = 500;
