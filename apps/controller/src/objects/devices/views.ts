import type { Device, DevicePresence } from '@sallyport/contract';
import type { WorldDevice } from '@sallyport/policy';
import { isOutdated } from '../../channel/outdated.ts';
import type { Presence } from '../../channel/types.ts';
import { labelsField } from '../../db/json.ts';
import { postureOf } from '../../runtime/world-rows.ts';
import type { DeviceRow } from './store.ts';

/** A device is Online while its last handshake with a gateway is not older than this, milliseconds, or its client connected. */
export const onlineMs = 180_000;

/** Facts about a device that its row does not hold. */
export interface DeviceFacts {
  /** Last handshake known, epoch milliseconds. */
  readonly handshake: number | null;
  readonly location: Pick<WorldDevice, 'sourceIp' | 'country'>;
  readonly owner: Device['user'] | undefined;
  /** Of the device's own agent. */
  readonly presence: Presence;
  /** Name of the gateway that the row names. */
  readonly entryGateway: string | undefined;
  readonly now: number;
}

/** Facts about a device that change without a write. */
export type MomentaryFacts = Pick<DeviceFacts, 'handshake' | 'presence' | 'now'>;

/** Returns a device in the form of answers. */
export function deviceView(row: DeviceRow, facts: DeviceFacts): Device {
  const { location, owner } = facts;
  const { sourceIp, country } = location;
  const posture = postureOf(row);
  const lastConnection = lastSeen(row, facts);
  return {
    id: row.id,
    createdAt: iso(row.created_at),
    updatedAt: iso(row.updated_at),
    name: row.name,
    active: row.active === 1,
    status: statusOf(row, facts),
    ...(owner === undefined ? {} : { user: owner }),
    hardwareId: row.hardware_id,
    publicKey: row.public_key,
    overlayAddresses: [row.overlay_v4, row.overlay_v6],
    ...(lastConnection === 0 ? {} : { lastConnection: iso(lastConnection) }),
    ...(Object.keys(posture).length === 0 ? {} : { posture }),
    ...(row.app_version === null ? {} : { appVersion: row.app_version }),
    ...(sourceIp === null ? {} : { sourceIp }),
    ...(country === null ? {} : { country }),
    ...labelsField(row.labels),
    ...wayOf(row, facts),
  };
}

/** Returns the fields in which native and plain devices differ. */
function wayOf(row: DeviceRow, { presence, entryGateway }: DeviceFacts): Partial<Device> {
  if (row.identity_key === null) {
    const entry = entryGateway === undefined ? null : { id: row.entry_gateway_id ?? '', name: entryGateway };
    return { kind: 'PLAIN', ...(entry === null ? {} : { entryGateway: entry }) };
  }
  if (presence.agent === undefined) return { kind: 'NATIVE', connected: presence.connected };
  const { version, hostname, os, kernel } = presence.agent;
  return {
    kind: 'NATIVE',
    connected: presence.connected,
    agent: { version, hostname, os, kernel, outdated: isOutdated(version) },
  };
}

/** Returns when a device was last connected, epoch milliseconds; 0 when it never was. */
export const lastSeen = (row: Pick<DeviceRow, 'last_connection'>, facts: Pick<DeviceFacts, 'handshake' | 'presence'>) =>
  Math.max(facts.handshake ?? 0, row.last_connection ?? 0, facts.presence.lastSeen ?? 0);

/** Returns the status as shown. */
export function statusOf(
  row: Pick<DeviceRow, 'active'>,
  { handshake, presence, now }: MomentaryFacts,
): Device['status'] {
  if (row.active !== 1) return 'Deactivated';
  if (presence.connected) return 'Online';
  return handshake !== null && now - handshake <= onlineMs ? 'Online' : 'Offline';
}

/** What a live stream shows of a device. `until`: epoch milliseconds after which it counts as offline; null: no limit. */
export interface TimedPresence {
  readonly value: DevicePresence;
  readonly until: number | null;
}

/** Returns what live streams show of a device. */
export function timedPresence(row: DeviceRow, facts: MomentaryFacts): TimedPresence {
  const seen = lastSeen(row, facts);
  const { status, until } = standingOf(row, facts);
  return {
    value: {
      id: row.id,
      status,
      ...(row.identity_key === null ? {} : { connected: facts.presence.connected }),
      ...(seen === 0 ? {} : { lastConnection: iso(seen) }),
    },
    until,
  };
}

/** Returns the status as shown, and until when it holds by time alone. */
export function standingOf(
  row: Pick<DeviceRow, 'active'>,
  facts: MomentaryFacts,
): { status: Device['status']; until: number | null } {
  const status = statusOf(row, facts);
  const byHandshake = status === 'Online' && !facts.presence.connected;
  return { status, until: byHandshake ? (facts.handshake ?? 0) + onlineMs : null };
}

const iso = (at: number): string => new Date(at).toISOString();
