import { unscoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';

/** Returns the id of the tenant that is meant; null for an unknown short name, or several tenants and none. */
export async function findTenant(store: Store, slug: string | undefined): Promise<string | null> {
  const tenants = await unscoped(store.db, 'the short name tells the tenant, before anybody is known')
    .selectFrom('tenants')
    .select('id')
    .$if(slug !== undefined, (query) => query.where('slug', '=', slug ?? ''))
    .limit(2)
    .execute();
  return tenants.length === 1 ? (tenants[0]?.id ?? null) : null;
}
