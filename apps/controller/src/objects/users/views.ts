import type { Device, Policy, Role, User, UserSummary } from '@sallyport/contract';
import { decodeJson } from '../../db/json.ts';
import { type GroupRow, userGroupView } from '../groups/queries.ts';
import { statusOf } from './status.ts';
import type { UserParts, UserRow } from './store.ts';

/** A user as policies carry it. */
export type NestedUser = NonNullable<Policy['users']>[number];
/** A user as devices carry it. */
export type DeviceUser = NonNullable<Device['user']>;

/** What users name, by id. */
export interface Named {
  /** Highest first. */
  readonly roles: ReadonlyMap<string, Role>;
  readonly groups: ReadonlyMap<string, GroupRow>;
  /** Roles that groups give. */
  readonly groupRoles: ReadonlyMap<string, readonly string[]>;
  /** By owner, in order of creation. */
  readonly devices: ReadonlyMap<string, readonly Device[]>;
}

/** Returns a user in the form of answers. The last connection is that of the user or of any of the user's devices. */
export function userView(user: UserParts, named: Named, now: number): User {
  const { row } = user;
  const devices = named.devices.get(row.id) ?? [];
  const moments = devices.flatMap(({ lastConnection }) => lastConnection ?? []).map((at) => Date.parse(at));
  const lastConnection = Math.max(row.last_connection ?? 0, ...moments);
  const attributes = decodeJson<NonNullable<User['attributes']>>(row.attributes);
  return {
    ...common(row, now),
    ...(lastConnection === 0 ? {} : { lastConnection: iso(lastConnection) }),
    maxDevices: row.max_devices,
    ...(row.department === null ? {} : { department: row.department }),
    ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
    roles: rolesOf(user, named),
    groups: user.groups.flatMap((id) => named.groups.get(id) ?? []).map(userGroupView),
    devices: [...devices],
  };
}

/** Returns a user as a table shows it. `roles`: highest first. */
export function userSummary(
  { row, groups }: UserParts,
  [role]: readonly Role[],
  owned: { readonly count: number; readonly lastSeen: number } | undefined,
  now: number,
): UserSummary {
  const lastConnection = Math.max(row.last_connection ?? 0, owned?.lastSeen ?? 0);
  return {
    ...common(row, now),
    ...(lastConnection === 0 ? {} : { lastConnection: iso(lastConnection) }),
    maxDevices: row.max_devices,
    ...(row.department === null ? {} : { department: row.department }),
    ...(role === undefined ? {} : { role: role.type }),
    groupCount: groups.length,
    deviceCount: owned?.count ?? 0,
  };
}

/** Roles of a user, highest first: those set on the user and those that groups give. */
export function rolesOf(user: UserParts, named: Pick<Named, 'roles' | 'groupRoles'>): Role[] {
  const own = new Set([...user.roles, ...user.groups.flatMap((id) => named.groupRoles.get(id) ?? [])]);
  return [...named.roles.values()].filter(({ id, type }) => own.has(id) || isOwnRole(user.row, type));
}

/** Returns whether a user has the role by being the owner of the tenant. The role OWNER is never assigned. */
export const isOwnRole = (row: UserRow, type: Role['type']): boolean => row.is_owner === 1 && type === 'OWNER';

/** `limit`: the device limit in force. */
export const nestedUserView = (row: UserRow, limit: number, now: number): NestedUser => ({
  ...common(row, now),
  ...(row.last_connection === null ? {} : { lastConnection: iso(row.last_connection) }),
  maxDevices: limit,
});

/** Returns a user in the form that devices show. A user who never connected shows when the user was created. */
export const deviceUserView = (row: UserRow): DeviceUser => ({
  id: row.id,
  lastConnection: iso(row.last_connection ?? row.created_at),
  email: row.email,
  ...names(row),
});

const common = (row: UserRow, now: number) => ({
  id: row.id,
  createdAt: iso(row.created_at),
  updatedAt: iso(row.updated_at),
  email: row.email,
  status: statusOf(row, now),
  ...names(row),
  isOwner: row.is_owner === 1,
  ...(row.image === null ? {} : { image: row.image }),
});

const names = ({ first_name, last_name }: UserRow) => ({
  ...(first_name === null ? {} : { firstName: first_name }),
  ...(last_name === null ? {} : { lastName: last_name }),
});

const iso = (at: number): string => new Date(at).toISOString();
