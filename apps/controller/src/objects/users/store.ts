import type { userSortFields } from '@sallyport/contract';
import { chunks, selectIn } from '../../db/chunks.ts';
import { latest } from '../../db/latest.ts';
import type { Row, RowUpdate } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import type { Order, Page } from '../../http/paging.ts';
import { matching, type UserFilter } from './filters.ts';
import { statusIn } from './status.ts';

/** A user as the database holds it. */
export type UserRow = Row<'users'>;

/** A user with the ids of its groups and roles. */
export interface UserParts {
  readonly row: UserRow;
  /** Ids of the groups that the user is in. */
  readonly groups: readonly string[];
  /** Ids of the roles set on the user, without those that groups give. */
  readonly roles: readonly string[];
}

/** Returns a user; undefined when there is none with this id. */
export const findUser = (db: Scoped, id: string): Promise<UserRow | undefined> =>
  db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();

/** Rows in no particular order; unknown ids are left out. */
export const findUsers = (db: Scoped, ids: readonly string[]): Promise<UserRow[]> =>
  selectIn(ids, (part) => db.selectFrom('users').selectAll().where('id', 'in', part).execute());

/** Returns which of the lower-case addresses belong to a user. */
export async function knownEmails(db: Scoped, keys: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await selectIn(keys, (part) =>
    db.selectFrom('users').select('email_key').where('email_key', 'in', part).execute(),
  );
  return new Set(rows.map(({ email_key }) => email_key));
}

/** Completes rows, in their order, with a fixed number of queries. */
export async function withParts(db: Scoped, rows: readonly UserRow[]): Promise<UserParts[]> {
  const ids = rows.map(({ id }) => id);
  const groups = Map.groupBy(await memberships(db, ids), ({ user_id }) => user_id);
  const roles = Map.groupBy(await givenRoles(db, ids), ({ user_id }) => user_id);
  return rows.map((row) => ({
    row,
    groups: (groups.get(row.id) ?? []).map(({ group_id }) => group_id),
    roles: (roles.get(row.id) ?? []).map(({ role_id }) => role_id),
  }));
}

/** Columns that lists of users are sorted by, by field. */
export const sortColumns = {
  id: 'id',
  email: 'email',
  createdAt: 'created_at',
  updatedAt: 'updated_at',
  lastConnection: 'last_connection',
  firstName: 'first_name',
  lastName: 'last_name',
  status: 'status',
} as const satisfies Record<(typeof userSortFields)[number], string>;

/** Columns that lists of users are sorted by. */
export type SortColumn = (typeof sortColumns)[keyof typeof sortColumns];

/** A page of the users, in the order asked for and then in that of their creation, and how many there are. */
export async function pageOfUsers(
  db: Scoped,
  words: readonly string[],
  filters: readonly UserFilter[],
  sort: readonly Order<SortColumn>[],
  { limit, offset }: Page,
  now: number,
) {
  const found = matching(db, words, filters, now);
  const rows = await sort
    .reduce((query, order) => orderBy(query, order, now), found.selectAll('users'))
    .orderBy('users.created_at')
    .orderBy('users.id')
    .limit(limit)
    .offset(offset)
    .execute();
  const { total } = await found.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  return { rows, total };
}

type UserQuery = ReturnType<typeof selectUsers>;
const selectUsers = (db: Scoped) => db.selectFrom('users').selectAll('users');

/** Sorts missing values first, in every dialect. */
function orderBy(query: UserQuery, { column, direction }: Order<SortColumn>, now: number): UserQuery {
  switch (column) {
    case 'email':
      return query.orderBy('users.email_key', direction);
    case 'first_name':
    case 'last_name':
      return query.orderBy((eb) => eb.fn.coalesce(`users.${column}`, eb.val('')), direction);
    case 'last_connection':
      return query.orderBy(
        (eb) =>
          latest(
            eb.ref('users.last_connection'),
            eb
              .selectFrom('devices')
              .select((devices) => devices.fn.max('devices.last_connection').as('at'))
              .whereRef('devices.user_id', '=', 'users.id'),
          ),
        direction,
      );
    case 'status':
      return query.orderBy((eb) => statusIn(eb, now), direction);
    default:
      return query.orderBy(`users.${column}`, direction);
  }
}

/** Users who have a role of their own; with `groups`, those too who have it through a group. In order of creation. */
export async function usersWithRole(db: Scoped, role: string, groups: boolean): Promise<UserRow[]> {
  const own = db.selectFrom('user_roles').select('user_roles.user_id').where('user_roles.role_id', '=', role);
  const through = db
    .selectFrom('group_roles')
    .innerJoin('group_members', 'group_members.group_id', 'group_roles.group_id')
    .select('group_members.user_id')
    .where('group_roles.role_id', '=', role);
  return db
    .selectFrom('users')
    .selectAll('users')
    .where((eb) =>
      groups ? eb.or([eb('users.id', 'in', own), eb('users.id', 'in', through)]) : eb('users.id', 'in', own),
    )
    .orderBy('users.created_at')
    .orderBy('users.id')
    .execute();
}

/** Returns the owners of the tenant, oldest first. */
export const owners = (db: Scoped): Promise<UserRow[]> =>
  db.selectFrom('users').selectAll().where('is_owner', '=', 1).orderBy('created_at').orderBy('id').execute();

/** Devices of users, in order of creation. */
export const devicesOf = (db: Scoped, users: readonly string[]) =>
  selectIn(users, (part) =>
    db
      .selectFrom('devices')
      .select(['id', 'user_id'])
      .where('user_id', 'in', part)
      .orderBy('created_at')
      .orderBy('id')
      .execute(),
  );

/** Returns how many devices a user has. */
export async function countDevices(db: Scoped, user: string): Promise<number> {
  const { present } = await db
    .selectFrom('devices')
    .select((eb) => eb.fn.countAll<number>().as('present'))
    .where('user_id', '=', user)
    .executeTakeFirstOrThrow();
  return Number(present);
}

/** Inserts users. */
export async function insertUsers(tx: Tx, rows: readonly WithoutTenant<'users'>[]): Promise<void> {
  for (const part of chunks(rows)) await tx.scoped.insertInto('users', part).execute();
}

/** Sets columns of a user. */
export async function updateUser(tx: Tx, id: string, values: RowUpdate<'users'>): Promise<void> {
  await tx.scoped.updateTable('users').set(values).where('id', '=', id).execute();
}

/** Increments the versions of users. */
export async function bumpUsers(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const part of chunks(ids))
    await tx.scoped
      .updateTable('users')
      .set((eb) => ({ version: eb('version', '+', 1), updated_at: tx.now }))
      .where('id', 'in', part)
      .execute();
}

/** Deletes a user together with its memberships and roles. */
export async function deleteUser(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('users').where('id', '=', id).execute();
}

/** Puts users into groups. */
export async function insertMemberships(
  tx: Tx,
  members: readonly { readonly user: string; readonly group: string }[],
): Promise<void> {
  const rows = members.map(({ user, group }) => ({ user_id: user, group_id: group, created_at: tx.now }));
  for (const part of chunks(rows)) await tx.scoped.insertInto('group_members', part).execute();
}

/** Makes a membership one of administrators: it stays when the provider that gave it takes it back. */
export async function keepMembership(tx: Tx, user: string, group: string): Promise<void> {
  await tx.scoped
    .updateTable('group_members')
    .set({ provider_id: null })
    .where('user_id', '=', user)
    .where('group_id', '=', group)
    .execute();
}

/** Takes a user out of a group. */
export async function deleteMembership(tx: Tx, user: string, group: string): Promise<void> {
  await tx.scoped.deleteFrom('group_members').where('user_id', '=', user).where('group_id', '=', group).execute();
}

/** Removes all members of a group. */
export async function deleteMemberships(tx: Tx, group: string): Promise<void> {
  await tx.scoped.deleteFrom('group_members').where('group_id', '=', group).execute();
}

/** Makes the roles set on a user exactly these. */
export async function replaceUserRoles(tx: Tx, user: string, roles: readonly string[]): Promise<void> {
  await tx.scoped.deleteFrom('user_roles').where('user_id', '=', user).execute();
  const rows = roles.map((role_id) => ({ user_id: user, role_id }));
  for (const part of chunks(rows)) await tx.scoped.insertInto('user_roles', part).execute();
}

/** Ids of a group's members. */
export async function memberIds(db: Scoped, group: string): Promise<string[]> {
  const rows = await db
    .selectFrom('group_members')
    .select('user_id')
    .where('group_id', '=', group)
    .orderBy('user_id')
    .execute();
  return rows.map(({ user_id }) => user_id);
}

/** Groups of users, of each user the oldest group first. */
const memberships = (db: Scoped, users: readonly string[]) =>
  selectIn(users, (part) =>
    db
      .selectFrom('group_members')
      .innerJoin('groups', 'groups.id', 'group_members.group_id')
      .select(['group_members.user_id', 'group_members.group_id'])
      .where('group_members.user_id', 'in', part)
      .orderBy('groups.created_at')
      .orderBy('groups.id')
      .execute(),
  );

const givenRoles = (db: Scoped, users: readonly string[]) =>
  selectIn(users, (part) =>
    db
      .selectFrom('user_roles')
      .select(['user_id', 'role_id'])
      .where('user_id', 'in', part)
      .orderBy('user_id')
      .orderBy('role_id')
      .execute(),
  );
