import type { Device } from '@sallyport/contract';
import { decodeJson } from '../../db/json.ts';
import type { DeviceRow } from './store.ts';

/** A device is Online while its last handshake with a gateway is not older than this, milliseconds. */
export const onlineMs = 180_000;

/** A device as answers carry it. `handshake`: the last one known, epoch milliseconds. */
export function deviceView(row: DeviceRow, handshake: number | null, now: number): Device {
  const lastConnection = Math.max(handshake ?? 0, row.last_connection ?? 0);
  return {
    id: row.id,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
    name: row.name,
    active: row.active === 1,
    status: statusOf(row, handshake, now),
    hardwareId: row.hardware_id,
    publicKey: row.public_key,
    overlayAddresses: [row.overlay_v4, row.overlay_v6],
    ...(lastConnection === 0 ? {} : { lastConnection: iso(lastConnection) }),
    ...(row.posture === null ? {} : { posture: decodeJson<Record<string, unknown>>(row.posture) }),
    ...(row.app_version === null ? {} : { appVersion: row.app_version }),
  };
}

function statusOf(row: DeviceRow, handshake: number | null, now: number): Device['status'] {
  if (row.active !== 1) return 'Deactivated';
  return handshake !== null && now - handshake <= onlineMs ? 'Online' : 'Offline';
}

const iso = (at: number): string => new Date(at).toISOString();
