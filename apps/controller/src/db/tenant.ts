import type { Tx } from './store.ts';

/** The row of the tenant that a write is for. */
export const tenantRow = (tx: Tx) =>
  tx.db.selectFrom('tenants').selectAll().where('id', '=', tx.tenant).executeTakeFirstOrThrow();
