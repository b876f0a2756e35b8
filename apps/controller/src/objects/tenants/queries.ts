import { unscoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';

/** Returns every tenant, oldest first. */
export function listTenants(store: Store) {
  return unscoped(store.db, 'the operator sees all tenants')
    .selectFrom('tenants')
    .select(['id', 'name', 'created_at', 'revision'])
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}
