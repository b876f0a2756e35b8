import { bySystem } from './db/contexts.ts';
import { decodeJson } from './db/json.ts';
import { type Loss, lossKey } from './db/postgres/primary.ts';
import { unscoped } from './db/scoped.ts';
import type { Store } from './db/store.ts';
import { listTenants } from './objects/tenants/queries.ts';

/**
 * Writes into the audit log of each tenant that the database failed over and may have lost acknowledged changes. The new epoch
 * has begun already. Returns what is known of it, or null. A controller that dies in between does it again.
 */
export async function noteFailover(store: Store): Promise<Loss | null> {
  const meta = unscoped(store.db, 'the primary server is the same for all tenants');
  const row = await meta.selectFrom('meta').select('value').where('key', '=', lossKey).executeTakeFirst();
  if (row === undefined) return null;
  const loss = decodeJson<Loss>(row.value);
  for (const { id, name } of await listTenants(store))
    await store.write(bySystem(id, 'note failover'), async (tx) => {
      const after = { databaseFailedOver: loss.at, acknowledgedChangesMayBeLost: true };
      tx.changed({ kind: 'tenant', id, op: 'update', name, before: null, after, auditOnly: true });
    });
  await meta.deleteFrom('meta').where('key', '=', lossKey).where('value', '=', row.value).execute();
  return loss;
}

/** What the log says about it. */
export const failedOverText =
  'the database server failed over, and acknowledged changes of the last moments before may be lost, revocations too: a new epoch has begun, so that agents take this state as the new truth. Compare the end of the audit log with what was done, and repeat what is missing';
