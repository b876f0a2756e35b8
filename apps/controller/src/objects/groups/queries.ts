import type { Group, groupSortFields, Input } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import { notFound } from '../../errors.ts';
import { envelope, pageOf, sortOrder } from '../../http/paging.ts';
import { searchWords } from '../../http/search.ts';
import { rolesById, rolesOfGroups } from '../roles/queries.ts';
import { groupFilters } from './filters.ts';
import { findGroup, findGroups, type GroupRow, memberCounts, membersOf, pageOfGroups } from './store.ts';
import { groupView, memberView, type NestedGroup, nestedGroupView } from './views.ts';

export {
  defaultMaxDevices,
  findDefaultGroup,
  findGroup,
  findGroups,
  findSamlDefaultGroup,
  type GroupRow,
} from './store.ts';
export { type UserGroup, userGroupView } from './views.ts';

const sortColumns = {
  id: 'id',
  name: 'name',
  createdAt: 'created_at',
  updatedAt: 'updated_at',
  maxDevices: 'max_devices',
} as const satisfies Record<(typeof groupSortFields)[number], string>;

/** One group and its version. */
export async function getGroup(db: Scoped, id: string): Promise<{ body: Group; version: number }> {
  const row = await findGroup(db, id);
  const [body] = row === undefined ? [] : await views(db, [row]);
  if (row === undefined || body === undefined) throw notFound();
  return { body, version: row.version };
}

/** A page of the groups that fit the filters. */
export async function listGroups(db: Scoped, query: GroupListQuery) {
  const { rows, total, page } = await pageFor(db, query);
  return envelope(await views(db, rows), total, page);
}

/** The same page as a table shows it. */
export async function summariseGroups(db: Scoped, query: GroupListQuery) {
  const { rows, total, page } = await pageFor(db, query);
  const ids = rows.map(({ id }) => id);
  const given = await rolesOfGroups(db, ids);
  const roles = [...(await rolesById(db)).values()];
  const members = await memberCounts(db, ids);
  const summaries = rows.map((row) => ({
    ...groupView(row, [], []),
    roleNames: roles.filter(({ id }) => given.get(row.id)?.includes(id)).map(({ name }) => name),
    userCount: members.get(row.id) ?? 0,
  }));
  return envelope(summaries, total, page);
}

type GroupListQuery = Input<'listGroups'>['query'];

async function pageFor(db: Scoped, { limit, offset, sort, q, fields, ...rest }: GroupListQuery) {
  const page = pageOf({ limit, offset }, fields);
  const order = sortOrder(sort, sortColumns);
  return { page, ...(await pageOfGroups(db, searchWords(q), groupFilters(rest), order, page)) };
}

/** Returns groups in the form that policies show, by id. Unknown ids are left out. */
export async function nestedGroups(db: Scoped, ids: readonly string[]): Promise<ReadonlyMap<string, NestedGroup>> {
  const rows = await findGroups(db, [...new Set(ids)]);
  return new Map(rows.map((row) => [row.id, nestedGroupView(row)]));
}

/** Returns them in order, with a fixed number of queries. */
async function views(db: Scoped, rows: readonly GroupRow[]): Promise<Group[]> {
  const ids = rows.map(({ id }) => id);
  const members = Map.groupBy(await membersOf(db, ids), ({ group_id }) => group_id);
  const given = await rolesOfGroups(db, ids);
  const roles = await rolesById(db);
  return rows.map((row) => {
    const own = new Set(given.get(row.id));
    const users = (members.get(row.id) ?? []).map(memberView);
    return groupView(
      row,
      [...roles.values()].filter(({ id }) => own.has(id)),
      users,
    );
  });
}
