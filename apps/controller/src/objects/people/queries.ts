import type { Device, Input, User } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import { notFound } from '../../errors.ts';
import { envelope, pageOf, sortOrder } from '../../http/paging.ts';
import { searchWords } from '../../http/search.ts';
import type { DeviceQueries } from '../devices/queries.ts';
import { findGroups } from '../groups/queries.ts';
import { existingRole, rolesById, rolesOfGroups } from '../roles/queries.ts';
import { userFilters } from '../users/filters.ts';
import {
  devicesOf,
  findUsers,
  groupsOf,
  owners,
  pageOfUsers,
  requireUser,
  rolesOf,
  sortColumns,
  type UserRow,
  userSummary,
  usersWithRole,
  userView,
  withParts,
} from '../users/queries.ts';

type UserListQuery = Input<'listUsers'>['query'];

/** What the queries for people need. */
export interface PeopleQueryDeps {
  readonly now: () => number;
  readonly devices: Pick<DeviceQueries, 'nested' | 'ofUsers'>;
}

/**
 * Queries for users together with their devices. A device shows its owner and a user shows the devices: the two kinds
 * meet here, one floor above both.
 */
export function createPeopleQueries({ now, devices }: PeopleQueryDeps) {
  /** Returns them in order, with a fixed number of queries. */
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
  const pageFor = async (db: Scoped, { limit, offset, sort, q, fields, ...rest }: UserListQuery) => {
    const page = pageOf({ limit, offset }, fields);
    const order = sortOrder(sort, sortColumns);
    return { page, ...(await pageOfUsers(db, searchWords(q), userFilters(rest), order, page, now())) };
  };
  return {
    /** One user and its version. */
    get: async (db: Scoped, id: string): Promise<{ body: User; version: number }> => {
      const row = await requireUser(db, id);
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
    list: async (db: Scoped, query: UserListQuery) => {
      const { rows, total, page } = await pageFor(db, query);
      return envelope(await views(db, rows), total, page);
    },
    /** The same page as a table shows it. */
    summaries: async (db: Scoped, query: UserListQuery) => {
      const { rows, total, page } = await pageFor(db, query);
      const users = await withParts(db, rows);
      const roles = await rolesById(db);
      const groupRoles = await rolesOfGroups(db, groupsOf(users));
      const owned = await devices.ofUsers(
        db,
        rows.map(({ id }) => id),
      );
      const summaries = users.map((user) =>
        userSummary(user, rolesOf(user, { roles, groupRoles }), owned.get(user.row.id), now()),
      );
      return envelope(summaries, total, page);
    },
    /** Users who have a role of their own; with `groups`, those too who have it through a group. */
    withRole: async (db: Scoped, id: string, groups: boolean): Promise<User[]> => {
      const { type } = await existingRole(db, id);
      return views(db, type === 'OWNER' ? await owners(db) : await usersWithRole(db, id, groups));
    },
  };
}

/** The queries of users together with their devices. */
export type PeopleQueries = ReturnType<typeof createPeopleQueries>;

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
