import { type FilterOperator, userFilters as fields } from '@sallyport/contract';
import { compare, isAmong, isNotAmong, mentions } from '../../db/compare.ts';
import type { Scoped } from '../../db/scoped.ts';
import { type Filter, positive, readFilters } from '../../http/filters.ts';
import { statusIn } from './status.ts';

type FilterField = keyof typeof fields;

/** A filter of a list of users. */
export type UserFilter = Filter<FilterField>;

/** Reads the filters of a list of users; anything else among the parameters is refused. */
export const userFilters = (parameters: Readonly<Record<string, unknown>>): UserFilter[] =>
  readFilters(parameters, fields);

/** Users who have every word and fit every filter. A text that a user does not have is empty; addresses have no letter case. */
export function matching(db: Scoped, words: readonly string[], filters: readonly UserFilter[], now: number) {
  const found = filters.reduce((query, filter) => narrow(db, query, filter, now), db.selectFrom('users'));
  return words.length === 0 ? found : found.where(mentions(searched, words));
}

const searched = ['users.email_key', 'users.first_name', 'users.last_name', 'users.department', 'users.id'];

type UserQuery = ReturnType<typeof allUsers>;
const allUsers = (db: Scoped) => db.selectFrom('users');

function narrow(db: Scoped, query: UserQuery, { field, operator, values }: UserFilter, now: number): UserQuery {
  switch (field) {
    case 'id':
      return query.where(compare('users.id', operator, values));
    case 'email':
      return query.where(
        compare(
          'users.email_key',
          operator,
          values.map((value) => value.toLowerCase()),
        ),
      );
    case 'firstName':
    case 'lastName':
    case 'department':
      return query.where((eb) => compare(eb.fn.coalesce(textColumns[field], eb.val('')), operator, values));
    case 'status':
      return query.where((eb) => compare(statusIn(eb, now), operator, values));
    default: {
      const { operator: found, opposite } = positive(operator);
      const rows = usersWith(db, field, found, values);
      return query.where(opposite ? isNotAmong('users.id', rows) : isAmong('users.id', rows));
    }
  }
}

const textColumns = {
  firstName: 'users.first_name',
  lastName: 'users.last_name',
  department: 'users.department',
} as const;

/** Returns a query for the ids of users with a related object that fits. */
function usersWith(db: Scoped, field: FilterField, operator: FilterOperator, values: readonly string[]) {
  if (field === 'groups.id')
    return db
      .selectFrom('group_members')
      .select('group_members.user_id')
      .where(compare('group_members.group_id', operator, values));
  if (field === 'devices.id')
    return db
      .selectFrom('devices')
      .select('devices.user_id')
      .where('devices.user_id', 'is not', null)
      .where(compare('devices.id', operator, values));
  const given = db
    .selectFrom('group_roles')
    .innerJoin('group_members', 'group_members.group_id', 'group_roles.group_id')
    .select('group_members.user_id')
    .where(compare('group_roles.role_id', operator, values));
  return db
    .selectFrom('user_roles')
    .select('user_roles.user_id')
    .where(compare('user_roles.role_id', operator, values))
    .union(given);
}
