import type { DeviceFacts } from '../../channel/types.ts';
import { encodeJson } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { findDevice, updateDevice } from './store.ts';

// Gateways and clients report these facts. They are no change by an administrator: version and `updatedAt` stay.

/** Stores the last handshake with any gateway, epoch milliseconds. */
export async function noteHandshake(tx: Tx, device: string, at: number): Promise<void> {
  await tx.scoped.updateTable('devices').set({ last_connection: at }).where('id', '=', device).execute();
}

/** Stores the IP address that the tunnel of a device comes from. */
export async function noteSource(tx: Tx, device: string, source: string): Promise<void> {
  await tx.scoped.updateTable('devices').set({ source_ip: source }).where('id', '=', device).execute();
}

/**
 * Stores the report of a device's own client. The report decides access, so a report that differs from the last one is a
 * change with an event in the audit trail.
 */
export async function noteTold(tx: Tx, device: string, { posture, agentVersion }: DeviceFacts): Promise<void> {
  const row = await findDevice(tx.scoped, device);
  if (row === undefined || row.identity_key === null) return;
  const told = {
    ...(posture === undefined ? {} : { reported_posture: postureText(posture) }),
    ...(agentVersion === undefined ? {} : { app_version: agentVersion }),
  };
  const news = Object.entries(told).filter(([column, value]) => row[column as keyof typeof told] !== value);
  if (news.length === 0) return;
  await updateDevice(tx, device, told);
  const after = {
    ...('reported_posture' in Object.fromEntries(news) ? { reported_posture: posture } : {}),
    ...('app_version' in Object.fromEntries(news) ? { app_version: agentVersion } : {}),
  };
  tx.changed({ kind: 'device', id: device, op: 'update', name: row.name, after });
}

/** Returns posture as JSON text with sorted keys, so that equal facts give equal text; null without facts. */
export function postureText(posture: object): string | null {
  const facts = Object.entries(posture).sort(([a], [b]) => (a < b ? -1 : 1));
  return facts.length === 0 ? null : encodeJson(Object.fromEntries(facts));
}
