import { chunks, selectIn } from '../../db/chunks.ts';
import type { Row, RowUpdate } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import type { Order, Page } from '../../http/paging.ts';
import { type GroupFilter, matching } from './filters.ts';

/** A group as the database holds it. */
export type GroupRow = Row<'groups'>;

/** Columns that lists of groups are sorted by. */
export type SortColumn = 'id' | 'name' | 'created_at' | 'updated_at' | 'max_devices';

/** Device limit per member of a group that sets no other. */
export const defaultMaxDevices = 5;

/** Returns a group; undefined when there is none with this id. */
export const findGroup = (db: Scoped, id: string): Promise<GroupRow | undefined> =>
  db.selectFrom('groups').selectAll().where('id', '=', id).executeTakeFirst();

/** Rows in no particular order; unknown ids are left out. */
export const findGroups = (db: Scoped, ids: readonly string[]): Promise<GroupRow[]> =>
  selectIn(ids, (part) => db.selectFrom('groups').selectAll().where('id', 'in', part).execute());

/** Returns the group of users who are in no other group. */
export const findDefaultGroup = (db: Scoped): Promise<GroupRow> =>
  db.selectFrom('groups').selectAll().where('is_default', '=', 1).executeTakeFirstOrThrow();

/** Returns the group that new users of the identity provider join. */
export const findSamlDefaultGroup = (db: Scoped): Promise<GroupRow> =>
  db.selectFrom('groups').selectAll().where('is_saml_default', '=', 1).executeTakeFirstOrThrow();

/** A page of the groups, in the order asked for and then in that of their creation, and how many there are. */
export async function pageOfGroups(
  db: Scoped,
  words: readonly string[],
  filters: readonly GroupFilter[],
  sort: readonly Order<SortColumn>[],
  { limit, offset }: Page,
) {
  const found = matching(db, words, filters);
  const rows = await sort
    .reduce((query, { column, direction }) => query.orderBy(`groups.${column}`, direction), found.selectAll('groups'))
    .orderBy('groups.created_at')
    .orderBy('groups.id')
    .limit(limit)
    .offset(offset)
    .execute();
  const { total } = await found.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  return { rows, total };
}

/** Members of groups in the order in which they joined. */
export const membersOf = (db: Scoped, groups: readonly string[]) =>
  selectIn(groups, (part) =>
    db
      .selectFrom('group_members')
      .innerJoin('users', 'users.id', 'group_members.user_id')
      .select([
        'group_members.group_id',
        'group_members.created_at as joined_at',
        'group_members.provider_id',
        'users.id',
        'users.updated_at',
        'users.email',
        'users.first_name',
        'users.last_name',
      ])
      .where('group_members.group_id', 'in', part)
      .orderBy('group_members.created_at')
      .orderBy('users.id')
      .execute(),
  );

/** Returns how many members groups have, by group. A group without members is left out. */
export async function memberCounts(db: Scoped, groups: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const rows = await selectIn(groups, (part) =>
    db
      .selectFrom('group_members')
      .select((eb) => ['group_members.group_id', eb.fn.countAll<number>().as('members')])
      .where('group_members.group_id', 'in', part)
      .groupBy('group_members.group_id')
      .execute(),
  );
  return new Map(rows.map(({ group_id, members }) => [group_id, Number(members)]));
}

/** Inserts a group. */
export async function insertGroup(tx: Tx, row: WithoutTenant<'groups'>): Promise<void> {
  await tx.scoped.insertInto('groups', row).execute();
}

/** Sets columns of a group. */
export async function updateGroup(tx: Tx, id: string, values: RowUpdate<'groups'>): Promise<void> {
  await tx.scoped.updateTable('groups').set(values).where('id', '=', id).execute();
}

/** Increments the versions of groups. */
export async function bumpGroups(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const part of chunks(ids))
    await tx.scoped
      .updateTable('groups')
      .set((eb) => ({ version: eb('version', '+', 1), updated_at: tx.now }))
      .where('id', 'in', part)
      .execute();
}

/** Deletes a group together with its memberships and roles. */
export async function deleteGroup(tx: Tx, id: string): Promise<void> {
  await tx.scoped.deleteFrom('groups').where('id', '=', id).execute();
}

/** Makes the roles that a group gives exactly these. */
export async function replaceGroupRoles(tx: Tx, group: string, roles: readonly string[]): Promise<void> {
  await tx.scoped.deleteFrom('group_roles').where('group_id', '=', group).execute();
  const rows = roles.map((role_id) => ({ group_id: group, role_id }));
  for (const part of chunks(rows)) await tx.scoped.insertInto('group_roles', part).execute();
}
