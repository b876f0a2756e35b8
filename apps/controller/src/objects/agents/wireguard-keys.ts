import { lockShared } from '../../db/across-tenants.ts';
import { unscoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

/**
 * Returns whether the WireGuard key of an agent belongs to another device or gateway of its tenant, to an agent of any
 * tenant, or to the controller itself (`reserved`). The channel has checked that the agent holds the private key, so a
 * match means a copied host. The beacon tells agents apart by their keys, as WireGuard tells peers apart.
 */
export async function isForeignKey(
  tx: Tx,
  agent: string,
  key: string,
  reserved: ReadonlySet<string>,
): Promise<boolean> {
  if (reserved.has(key)) return true;
  await lockShared(tx, 'keys');
  const agents = unscoped(tx.db, 'a WireGuard key is the key of one agent, whatever its tenant');
  const gateway = agents.selectFrom('gateways').select('id').where('wireguard_key', '=', key).where('id', '!=', agent);
  const native = agents
    .selectFrom('devices')
    .select('id')
    .where('public_key', '=', key)
    .where('identity_key', 'is not', null)
    .where('id', '!=', agent);
  const device = tx.scoped.selectFrom('devices').select('id').where('public_key', '=', key).where('id', '!=', agent);
  for (const query of [gateway, native, device]) if ((await query.executeTakeFirst()) !== undefined) return true;
  return false;
}
