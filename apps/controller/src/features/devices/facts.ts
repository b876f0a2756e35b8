import type { Scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';

/** Facts of devices that gateways tell. They are no administrator's change: version and `updatedAt` stay. */

/** Last handshake with any gateway, epoch milliseconds. */
export async function noteHandshake(tx: Tx, device: string, at: number): Promise<void> {
  await tx.scoped.updateTable('devices').set({ last_connection: at }).where('id', '=', device).execute();
}

/** IP address that its tunnel comes from. */
export async function noteSource(tx: Tx, device: string, source: string): Promise<void> {
  await tx.scoped.updateTable('devices').set({ source_ip: source }).where('id', '=', device).execute();
}

/** Whether a device of the tenant has the WireGuard key. */
export async function hasDeviceKey(db: Scoped, key: string): Promise<boolean> {
  const device = await db.selectFrom('devices').select('id').where('public_key', '=', key).executeTakeFirst();
  return device !== undefined;
}
