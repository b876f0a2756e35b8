import type { AuditEvent } from '@sallyport/contract';
import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { breathe } from '../../slices.ts';
import {
  type AuditFilter,
  auditSpan,
  countEvents,
  eventsBehind,
  newestEvents,
  type Place,
  type Span,
} from './store.ts';
import { auditEventView } from './views.ts';

export type { AuditFilter } from './store.ts';

/**
 * Returns one page of events, newest first, and the count of all that match. The trail is read in spans, so that the
 * search for a rare event in a long trail does not hold up other work.
 */
export async function auditPage(
  store: Store,
  tenant: string,
  filter: AuditFilter,
  { limit, offset }: { readonly limit: number; readonly offset: number },
): Promise<{ events: AuditEvent[]; total: number }> {
  const db = scoped(store.db, tenant);
  const events: AuditEvent[] = [];
  let total = 0;
  for (const span of spansDown(await auditSpan(db))) {
    const count = await countEvents(db, filter, span);
    const wanted = limit - events.length;
    if (wanted > 0 && total + count > offset) {
      const page = { limit: wanted, offset: Math.max(0, offset - total) };
      events.push(...(await newestEvents(db, filter, span, page)).map(auditEventView));
    }
    total += count;
    await breathe();
  }
  return { events, total };
}

/** Yields all matching events, oldest first, up to those that exist when it begins. */
export async function* allEvents(
  store: Store,
  tenant: string,
  filter: AuditFilter,
  signal: AbortSignal,
): AsyncGenerator<AuditEvent[]> {
  const db = scoped(store.db, tenant);
  for (const span of spansUp(await auditSpan(db))) {
    let behind: Place = { revision: span.first - 1, seq: 0 };
    for (;;) {
      if (signal.aborted) return;
      const rows = await eventsBehind(db, filter, span, behind, batchSize);
      yield rows.map(auditEventView);
      await breathe();
      const last = rows.at(-1);
      if (last === undefined || rows.length < batchSize) break;
      behind = last;
    }
  }
}

/** Events read at once. */
const batchSize = 200;
/** Revisions looked through at once. */
const spanSize = 3000;

function* spansUp({ first, last }: Span): Generator<Span> {
  for (let at = first; at <= last; at += spanSize) yield { first: at, last: Math.min(last, at + spanSize - 1) };
}

function* spansDown({ first, last }: Span): Generator<Span> {
  for (let at = last; at >= first; at -= spanSize) yield { first: Math.max(first, at - spanSize + 1), last: at };
}
