import { bySystem } from '../db/contexts.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import { inTransaction } from '../db/transactions.ts';
import { listTenants } from '../objects/tenants/queries.ts';
import { setEpoch } from '../secrets/identity.ts';
import { copyMarker } from './marker.ts';

/**
 * Prepares a database that is a copy, on the first start with it. It begins a new epoch, because agents may know later
 * revisions than the copy. It ends sessions, sign-in links, waiting mails and open enrolment keys, because they may have been used or
 * ended since. Returns when the copy was made, or null. A controller that dies in between does it again.
 */
export async function beginAfterRestore(store: Store): Promise<string | null> {
  const meta = unscoped(store.db, 'the epoch belongs to the controller, not to a tenant');
  const marker = await meta.selectFrom('meta').select('value').where('key', '=', copyMarker).executeTakeFirst();
  if (marker === undefined) return null;
  for (const { id, name } of await listTenants(store)) await noteRestore(store, id, name, marker.value);
  await inTransaction(meta, async (own) => {
    await setEpoch(own);
    await own.deleteFrom('forgotten_passwords').execute();
    await own.deleteFrom('cli_codes').execute();
    await own.deleteFrom('meta').where('key', '=', copyMarker).execute();
  });
  return marker.value;
}

async function noteRestore(store: Store, tenant: string, name: string, copiedAt: string): Promise<void> {
  await store.write(bySystem(tenant, 'restore backup'), async (tx) => {
    tx.changed({ kind: 'tenant', id: tenant, op: 'update', name, after: { restoredFrom: copiedAt } });
    await tx.scoped
      .updateTable('enrolment_keys')
      .set({ expires_at: tx.now })
      .where('used_at', 'is', null)
      .where('expires_at', '>', tx.now)
      .execute();
    // They may have ended since the copy was made.
    await tx.scoped.deleteFrom('sessions').execute();
    await tx.scoped.deleteFrom('provider_grants').execute();
    await tx.scoped.deleteFrom('sign_in_links').execute();
    // Their links have ended, and they may have been sent since.
    await tx.scoped.deleteFrom('mails').where('state', '=', 'WAITING').execute();
  });
}
