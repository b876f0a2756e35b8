import type { AuditVerification } from '@sallyport/contract';
import { auditHash, genesisHash } from '../../db/history.ts';
import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { breathe } from '../../slices.ts';
import { type AuditRow, auditSpan, eventsBehind, type Place } from './store.ts';

/**
 * Works the chain of a tenant's audit events out again, from the anchor (or the very first event) to the newest. An event
 * that was edited, removed, inserted or moved breaks it. Only who also rewrites everything behind it, or cuts off
 * the end and turns the tenant's revision back, is not found so: compare `head` with one that was kept elsewhere.
 */
export async function verifyAudit(store: Store, tenant: string, signal?: AbortSignal): Promise<AuditVerification> {
  for (;;) {
    const { anchored, result } = await walk(store, tenant, signal);
    if (result.intact || anchored === (await anchorOf(store, tenant))) return result;
    // Old events were dropped in the middle of it.
  }
}

async function walk(store: Store, tenant: string, signal: AbortSignal | undefined) {
  const db = scoped(store.db, tenant);
  const { anchor, ...span } = await store.read((open) => auditSpan(scoped(open, tenant)));
  const anchored = anchor?.hash ?? genesisHash;
  let head = anchored;
  let checked = 0;
  let place: Place = anchor ?? { revision: 0, seq: 0 };
  const result = (rest: {
    intact: boolean;
    firstBad?: string;
    reason?: string;
  }): { anchored: string; result: AuditVerification } => ({
    anchored,
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
  if (place.revision === span.last) return result({ intact: true });
  const reason = `the trail ends at revision ${place.revision}, but the tenant is at ${span.last}: the newest events are missing`;
  return result({ intact: false, firstBad: `${place.revision + 1}.0`, reason });
}

/** Why an event does not fit behind the one before it, or null. */
function fault(tenant: string, row: AuditRow, head: string, before: Place): string | null {
  const { hash, tenant_id: _, ...event } = row;
  if (event.prev_hash !== head) return `it does not follow ${idOf(before)}: an event was removed, inserted or moved`;
  return auditHash(tenant, event) === hash ? null : 'its content does not match its hash: it was edited';
}

const anchorOf = async (store: Store, tenant: string): Promise<string> =>
  (await auditSpan(scoped(store.db, tenant))).anchor?.hash ?? genesisHash;

const idOf = ({ revision, seq }: Place): string => `${revision}.${seq}`;

/** Events per slice: a few milliseconds. */
const batchSize = 500;
