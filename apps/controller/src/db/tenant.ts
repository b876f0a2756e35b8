import type { Tx } from './store.ts';

/** Returns the row of the tenant of a write. */
export const tenantRow = (tx: Tx) =>
  tx.db.selectFrom('tenants').selectAll().where('id', '=', tx.tenant).executeTakeFirstOrThrow();
