import type { GatewayStatus } from '@sallyport/contract';
import type { Presence } from '../../channel/types.ts';
import type { Row } from '../../db/schema.ts';

/** Returns the status as shown: the intent unless it is ACTIVE, else ERROR, else PENDING, else OFFLINE, else ONLINE. */
export function shownStatus(
  row: Pick<Row<'gateways'>, 'intent' | 'deployed_on' | 'error'>,
  presence: Presence,
): GatewayStatus {
  if (row.intent !== 'ACTIVE') return row.intent;
  if (shownError(row, presence) !== null) return 'ERROR';
  if (row.deployed_on === null) return 'PENDING';
  return presence.alive && presence.converged ? 'ONLINE' : 'OFFLINE';
}

/** Returns the error that the agent reports; while it is disconnected, the last one that it reported. */
export function shownError(row: Pick<Row<'gateways'>, 'error'>, presence: Presence): string | null {
  return presence.connected ? presence.error : row.error;
}

/** Returns when the gateway was last online, epoch milliseconds. */
export function lastOnline(
  row: Pick<Row<'gateways'>, 'last_online' | 'deployed_on'>,
  presence: Presence,
): number | null {
  const seen = row.deployed_on === null ? null : presence.lastSeen;
  if (seen === null || row.last_online === null) return seen ?? row.last_online;
  return Math.max(seen, row.last_online);
}
