import type { Role } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError, notFound } from '../../errors.ts';
import { findGroups } from '../groups/queries.ts';
import { rolesById, rolesOfGroups } from '../roles/queries.ts';
import { emailKey } from './email-key.ts';
import { statusOf } from './status.ts';
import { countDevices, findUser, findUsers, type UserParts, type UserRow, updateUser, withParts } from './store.ts';
import { trackUsers } from './tracking.ts';
import { type DeviceUser, deviceUserView, isOwnRole, type NestedUser, nestedUserView, rolesOf } from './views.ts';

export { invitationEnd, invitationMs } from './status.ts';
export {
  devicesOf,
  findUser,
  findUsers,
  insertMemberships,
  owners,
  pageOfUsers,
  sortColumns,
  type UserRow,
  updateUser,
  usersWithRole,
  withParts,
} from './store.ts';
export { type DeviceUser, type NestedUser, rolesOf, userSummary, userView } from './views.ts';

/** Roles of a user, highest first; `own`: those set on the user, `inherited`: those that groups give. */
export async function userRoles(
  db: Scoped,
  id: string,
  { own, inherited }: { readonly own: boolean; readonly inherited: boolean },
): Promise<Role[]> {
  const row = await requireUser(db, id);
  const [user = { row, groups: [], roles: [] }] = await withParts(db, [row]);
  const roles = await rolesById(db);
  const groupRoles = await rolesOfGroups(db, user.groups);
  const set = own ? [...roles.values()].filter(({ id, type }) => user.roles.includes(id) || isOwnRole(row, type)) : [];
  const given = inherited ? rolesOf({ ...user, roles: [], row: { ...row, is_owner: 0 } }, { roles, groupRoles }) : [];
  const wanted = new Set([...set, ...given].map((role) => role.id));
  return [...roles.values()].filter((role) => wanted.has(role.id));
}

/** Returns users in the form that policies show, by id. Unknown ids are left out. */
export async function nestedUsers(
  db: Scoped,
  ids: readonly string[],
  now: number,
): Promise<ReadonlyMap<string, NestedUser>> {
  const users = await withParts(db, await findUsers(db, [...new Set(ids)]));
  const limits = new Map((await findGroups(db, groupsOf(users))).map((group) => [group.id, group.max_devices]));
  return new Map(users.map((user) => [user.row.id, nestedUserView(user.row, limitOf(user, limits), now)]));
}

/** Returns users in the form that devices show, by id. Unknown ids are left out. */
export async function deviceUsers(db: Scoped, ids: readonly string[]): Promise<ReadonlyMap<string, DeviceUser>> {
  const rows = await findUsers(db, [...new Set(ids)]);
  return new Map(rows.map((row) => [row.id, deviceUserView(row)]));
}

/**
 * Returns how many devices a user may have and how many the user has; undefined for an unknown user. The limit is the
 * user's own, or else the highest of the groups.
 */
export async function deviceLimit(
  db: Scoped,
  id: string,
): Promise<{ readonly limit: number; readonly present: number } | undefined> {
  const row = await findUser(db, id);
  if (row === undefined) return undefined;
  const [user = { row, groups: [], roles: [] }] = await withParts(db, [row]);
  const limits = new Map((await findGroups(db, user.groups)).map((group) => [group.id, group.max_devices]));
  return { limit: limitOf(user, limits), present: await countDevices(db, id) };
}

/**
 * Accepts an open invitation when a device is registered for the user, so that policies match. Throws `not_invited` when
 * the invitation has expired. A user of any other status stays unchanged.
 */
export async function acceptInvitation(tx: Tx, id: string): Promise<void> {
  const row = await requireUser(tx.scoped, id);
  if (row.status !== 'INVITED') return;
  if (statusOf(row, tx.now) === 'EXPIRED')
    throw new ApiError('not_invited', `The invitation of ${row.email} has expired: invite the user again first`);
  await trackUsers(tx, [id], () => updateUser(tx, id, { status: 'ACTIVE', last_connection: tx.now }));
}

/** Returns the user, or throws `not_found`. */
export async function requireUser(db: Scoped, id: string): Promise<UserRow> {
  const row = await findUser(db, id);
  if (row === undefined) throw notFound();
  return row;
}

/** Ids of the groups that the users are in, each once. */
export const groupsOf = (users: readonly UserParts[]): string[] => [...new Set(users.flatMap(({ groups }) => groups))];

/** `groups`: device limits of groups by id. */
const limitOf = ({ row, groups }: UserParts, limits: ReadonlyMap<string, number>): number =>
  row.max_devices ?? Math.max(0, ...groups.flatMap((id) => limits.get(id) ?? []));

/** Returns the user with an address, whatever its letter case. */
export const userByEmail = (db: Scoped, email: string): Promise<UserRow | undefined> =>
  db.selectFrom('users').selectAll().where('email_key', '=', emailKey(email)).executeTakeFirst();
