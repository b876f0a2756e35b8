import { decodeJson } from '../../db/json.ts';
import type { Change, Tx } from '../../db/store.ts';
import { type Tracking, tracked } from '../../db/tracked.ts';
import { bumpUsers, findUsers, type UserParts, withParts } from './store.ts';

/** Runs `work` and records each of the users that it changed. */
export function trackUsers(
  tx: Tx,
  ids: readonly string[],
  work: () => Promise<void>,
  action?: Change['action'],
): Promise<void> {
  return tracked(tx, tracking, ids, work, action);
}

/** Returns users in the form of the audit trail, by id. */
export async function auditedUsers(tx: Tx, ids: readonly string[]) {
  const users = await withParts(tx.scoped, await findUsers(tx.scoped, ids));
  return new Map(users.map((user) => [user.row.id, audited(user)]));
}

const tracking: Tracking = { kind: 'user', load: auditedUsers, bump: bumpUsers };

const audited = ({ row, groups, roles }: UserParts) => ({
  id: row.id,
  name: row.email,
  email: row.email,
  status: row.status,
  invitedAt: row.invited_at,
  isOwner: row.is_owner === 1,
  firstName: row.first_name,
  lastName: row.last_name,
  image: row.image,
  department: row.department,
  attributes: decodeJson<Record<string, unknown>>(row.attributes),
  maxDevices: row.max_devices,
  roles,
  groups,
});
