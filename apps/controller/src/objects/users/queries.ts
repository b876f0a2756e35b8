import type { Device, Input, Role, User } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError, notFound } from '../../errors.ts';
import { envelope, pageOf, sortOrder } from '../../http/paging.ts';
import type { DeviceQueries } from '../devices/queries.ts';
import { findGroups } from '../groups/queries.ts';
import { existingRole, rolesById, rolesOfGroups } from '../roles/queries.ts';
import { userFilters } from './filters.ts';
import { statusOf } from './status.ts';
import {
  countDevices,
  devicesOf,
  findUser,
  findUsers,
  owners,
  pageOfUsers,
  sortColumns,
  type UserParts,
  type UserRow,
  updateUser,
  usersWithRole,
  withParts,
} from './store.ts';
import { trackUsers } from './tracking.ts';
import {
  type DeviceUser,
  deviceUserView,
  isOwnRole,
  type NestedUser,
  nestedUserView,
  rolesOf,
  userView,
} from './views.ts';

export { invitationMs } from './status.ts';
export type { DeviceUser, NestedUser } from './views.ts';

export interface UserQueryDeps {
  readonly now: () => number;
  readonly devices: Pick<DeviceQueries, 'nested'>;
}

export function createUserQueries({ now, devices }: UserQueryDeps) {
  /** In order, with a fixed number of queries. */
  const views = async (db: Scoped, rows: readonly UserRow[]): Promise<User[]> => {
    const users = await withParts(db, rows);
    const groups = groupsOf(users);
    const named = {
      roles: await rolesById(db),
      groups: new Map((await findGroups(db, groups)).map((group) => [group.id, group])),
      groupRoles: await rolesOfGroups(db, groups),
      devices: await ownedDevices(
        db,
        devices,
        rows.map(({ id }) => id),
      ),
    };
    return users.map((user) => userView(user, named, now()));
  };
  return {
    /** One user and its version. */
    get: async (db: Scoped, id: string): Promise<{ body: User; version: number }> => {
      const row = await existing(db, id);
      const [body] = await views(db, [row]);
      if (body === undefined) throw notFound();
      return { body, version: row.version };
    },
    /** Users in the order of the ids. */
    several: async (db: Scoped, ids: readonly string[]): Promise<User[]> => {
      const rows = new Map((await findUsers(db, ids)).map((row) => [row.id, row]));
      return views(
        db,
        ids.flatMap((id) => rows.get(id) ?? []),
      );
    },
    /** A page of the users who fit the filters. */
    list: async (db: Scoped, { limit, offset, sort, ...rest }: Input<'listUsers'>['query']) => {
      const page = pageOf({ limit, offset });
      const order = sortOrder(sort, sortColumns);
      const { rows, total } = await pageOfUsers(db, userFilters(rest), order, page, now());
      return envelope(await views(db, rows), total, page);
    },
    /** Users who have a role of their own; with `groups`, those too who have it through a group. */
    withRole: async (db: Scoped, id: string, groups: boolean): Promise<User[]> => {
      const { type } = await existingRole(db, id);
      return views(db, type === 'OWNER' ? await owners(db) : await usersWithRole(db, id, groups));
    },
    /** Users as policies carry them, by id. Ids of nobody are left out. */
    nested: async (db: Scoped, ids: readonly string[]): Promise<ReadonlyMap<string, NestedUser>> => {
      const users = await withParts(db, await findUsers(db, [...new Set(ids)]));
      const limits = new Map((await findGroups(db, groupsOf(users))).map((group) => [group.id, group.max_devices]));
      return new Map(users.map((user) => [user.row.id, nestedUserView(user.row, limitOf(user, limits), now())]));
    },
  };
}

export type UserQueries = ReturnType<typeof createUserQueries>;

/** Roles of a user, highest first; `own`: those set on the user, `inherited`: those that groups give. */
export async function userRoles(
  db: Scoped,
  id: string,
  { own, inherited }: { readonly own: boolean; readonly inherited: boolean },
): Promise<Role[]> {
  const row = await existing(db, id);
  const [user = { row, groups: [], roles: [] }] = await withParts(db, [row]);
  const roles = await rolesById(db);
  const groupRoles = await rolesOfGroups(db, user.groups);
  const set = own ? [...roles.values()].filter(({ id, type }) => user.roles.includes(id) || isOwnRole(row, type)) : [];
  const given = inherited ? rolesOf({ ...user, roles: [], row: { ...row, is_owner: 0 } }, { roles, groupRoles }) : [];
  const wanted = new Set([...set, ...given].map((role) => role.id));
  return [...roles.values()].filter((role) => wanted.has(role.id));
}

/** Users as devices carry them, by id. Ids of nobody are left out. */
export async function deviceUsers(db: Scoped, ids: readonly string[]): Promise<ReadonlyMap<string, DeviceUser>> {
  const rows = await findUsers(db, [...new Set(ids)]);
  return new Map(rows.map((row) => [row.id, deviceUserView(row)]));
}

/**
 * How many devices a user may have, and has: the user's own limit, else the highest of the groups. Undefined when there
 * is no such user.
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
 * A device is registered for the user, which takes the invitation up where one is open: from then on policies match.
 * Refused once the invitation has ended; users of any other status stay as they are.
 */
export async function acceptInvitation(tx: Tx, id: string): Promise<void> {
  const row = await existing(tx.scoped, id);
  if (row.status !== 'INVITED') return;
  if (statusOf(row, tx.now) === 'EXPIRED')
    throw new ApiError('not_invited', `The invitation of ${row.email} has expired: invite the user again first`);
  await trackUsers(tx, [id], () => updateUser(tx, id, { status: 'ACTIVE', last_connection: tx.now }));
}

async function existing(db: Scoped, id: string): Promise<UserRow> {
  const row = await findUser(db, id);
  if (row === undefined) throw notFound();
  return row;
}

async function ownedDevices(
  db: Scoped,
  devices: Pick<DeviceQueries, 'nested'>,
  users: readonly string[],
): Promise<ReadonlyMap<string, readonly Device[]>> {
  const rows = await devicesOf(db, users);
  const known = await devices.nested(
    db,
    rows.map(({ id }) => id),
  );
  const byOwner = Map.groupBy(rows, ({ user_id }) => user_id ?? '');
  return new Map([...byOwner].map(([user, own]) => [user, own.flatMap(({ id }) => known.get(id) ?? [])]));
}

const groupsOf = (users: readonly UserParts[]): string[] => [...new Set(users.flatMap(({ groups }) => groups))];

/** `groups`: device limits of groups by id. */
const limitOf = ({ row, groups }: UserParts, limits: ReadonlyMap<string, number>): number =>
  row.max_devices ?? Math.max(0, ...groups.flatMap((id) => limits.get(id) ?? []));
