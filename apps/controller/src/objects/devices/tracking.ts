import { decodeJson } from '../../db/json.ts';
import type { Change, Tx } from '../../db/store.ts';
import { type Tracking, tracked } from '../../db/tracked.ts';
import { bumpDevices, type DeviceRow, findDevices } from './store.ts';

/** Runs `work` and records each of the devices that differs afterwards. */
export function trackDevices(
  tx: Tx,
  ids: readonly string[],
  work: () => Promise<void>,
  action?: Change['action'],
): Promise<void> {
  return tracked(tx, tracking, ids, work, action);
}

const tracking: Tracking = {
  kind: 'device',
  load: async (tx, ids) => new Map((await findDevices(tx.scoped, ids)).map((row) => [row.id, auditedDevice(row)])),
  bump: bumpDevices,
};

/** Returns a device in the form of the audit trail. */
export const auditedDevice = (row: Omit<DeviceRow, 'tenant_id'>) => ({
  id: row.id,
  name: row.name,
  active: row.active,
  user: row.user_id,
  hardware_id: row.hardware_id,
  public_key: row.public_key,
  app_version: row.app_version,
  posture: row.posture === null ? null : decodeJson<Record<string, unknown>>(row.posture),
  overlay_v4: row.overlay_v4,
  overlay_v6: row.overlay_v6,
  entry_gateway: row.entry_gateway_id,
  labels: decodeJson<string[]>(row.labels),
});
