import type { Tx } from '../../db/store.ts';
import { freeOverlay } from '../../overlay/allocator.ts';
import { endPairsOf } from '../gateways/relay-pairs.ts';
import { cutFromPolicies } from '../policies/cut.ts';
import { type DeviceRow, deleteDevice, devicesThrough, ownedDevices, updateDevice } from './store.ts';
import { auditedDevice, trackDevices } from './tracking.ts';

/** Clears the entry gateway of devices before the gateway is deleted. */
export async function leaveEntry(tx: Tx, gateway: string): Promise<void> {
  const ids = await devicesThrough(tx.scoped, gateway);
  await trackDevices(tx, ids, async () => {
    for (const id of ids) await updateDevice(tx, id, { entry_gateway_id: null });
  });
}

/** Removes every device of a user before the user is deleted. */
export async function removeDevicesOf(tx: Tx, user: string): Promise<void> {
  for (const row of await ownedDevices(tx.scoped, user)) await dropDevice(tx, row);
}

/** Removes one device: policies and relay pairs lose it, and its overlay addresses rest before they are given out again. */
export async function dropDevice(tx: Tx, row: DeviceRow): Promise<void> {
  const { id, name } = row;
  tx.changed({ kind: 'device', id, op: 'delete', name, before: auditedDevice(row), after: null });
  await cutFromPolicies(tx, 'device', id);
  await endPairsOf(tx, id);
  await deleteDevice(tx, row);
  await freeOverlay(tx, row);
}
