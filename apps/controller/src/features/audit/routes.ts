import type { Store } from '../../db/store.ts';
import type { Handlers } from '../../http/handlers.ts';
import { envelope } from '../../http/paging.ts';
import { type AuditFilter, allEvents, auditPage } from './queries.ts';
import { dropOldEvents } from './retention.ts';
import { verifyAudit } from './verify.ts';

/** What the operations on the audit trail need. */
export interface AuditRouteDeps {
  readonly store: Store;
}

/** The audit trail: reading, verifying, ageing. */
export const auditFeature = { routes: auditRoutes, maintain: ({ store }: AuditRouteDeps) => dropOldEvents(store) };

function auditRoutes({
  store,
}: AuditRouteDeps): Handlers<'listAuditEvents' | 'exportAuditEvents' | 'verifyAuditEvents'> {
  return {
    listAuditEvents: {
      read: async ({ tenant }, { query: { limit, offset, ...filter } }) => {
        const page = { limit: Math.min(limit, longestPage), offset };
        const { events, total } = await auditPage(store, tenant, filterOf(filter), page);
        return { body: envelope(events, total, page) };
      },
    },
    exportAuditEvents: {
      stream: async ({ tenant }, { query }, signal) => ({
        batches: allEvents(store, tenant, filterOf(query), signal),
      }),
    },
    verifyAuditEvents: { read: async ({ tenant }) => ({ body: await verifyAudit(store, tenant) }) },
  };
}

const longestPage = 500;

interface Asked extends Omit<AuditFilter, 'from' | 'to'> {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

const filterOf = ({ from, to, ...rest }: Asked): AuditFilter => ({ ...rest, from: moment(from), to: moment(to) });

const moment = (text: string | undefined): number | undefined => (text === undefined ? undefined : Date.parse(text));
