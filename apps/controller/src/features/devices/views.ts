import type { Device } from '@sallyport/contract';
import type { WorldDevice } from '@sallyport/policy';
import { decodeJson } from '../../db/json.ts';
import type { DeviceRow } from './store.ts';

/** A device is Online while its last handshake with a gateway is not older than this, milliseconds. */
export const onlineMs = 180_000;

/** What a device's row does not tell. */
export interface DeviceFacts {
  /** Last handshake known, epoch milliseconds. */
  readonly handshake: number | null;
  readonly location: Pick<WorldDevice, 'sourceIp' | 'country'>;
  readonly owner: Device['user'] | undefined;
  readonly now: number;
}

/** A device as answers carry it. */
export function deviceView(row: DeviceRow, { handshake, location, owner, now }: DeviceFacts): Device {
  const { sourceIp, country } = location;
  const lastConnection = Math.max(handshake ?? 0, row.last_connection ?? 0);
  return {
    id: row.id,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
    name: row.name,
    active: row.active === 1,
    status: statusOf(row, handshake, now),
    ...(owner === undefined ? {} : { user: owner }),
    hardwareId: row.hardware_id,
    publicKey: row.public_key,
    overlayAddresses: [row.overlay_v4, row.overlay_v6],
    ...(lastConnection === 0 ? {} : { lastConnection: iso(lastConnection) }),
    ...(row.posture === null ? {} : { posture: decodeJson<Record<string, unknown>>(row.posture) }),
    ...(row.app_version === null ? {} : { appVersion: row.app_version }),
    ...(sourceIp === null ? {} : { sourceIp }),
    ...(country === null ? {} : { country }),
  };
}

function statusOf(row: DeviceRow, handshake: number | null, now: number): Device['status'] {
  if (row.active !== 1) return 'Deactivated';
  return handshake !== null && now - handshake <= onlineMs ? 'Online' : 'Offline';
}

const iso = (at: number): string => new Date(at).toISOString();
