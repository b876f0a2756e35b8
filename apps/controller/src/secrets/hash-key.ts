import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import { hashKeyPlace, type RotatingBox } from './box.ts';

/**
 * Lets the box hash with the key in the database, which the first start stores. Hashes cannot be made again from what the
 * database holds, so their key must outlive the master key.
 */
export async function settleHashKey(store: Store, box: RotatingBox): Promise<void> {
  const meta = unscoped(store.db, 'the key of hashes belongs to the controller, not to a tenant');
  const row = await meta.selectFrom('meta').select('value').where('key', '=', hashKeyPlace).executeTakeFirst();
  if (row !== undefined) return box.useHashKey(row.value);
  await meta.insertInto('meta').values({ key: hashKeyPlace, value: box.sealedHashKey() }).execute();
}
