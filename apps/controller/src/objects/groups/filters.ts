import { groupFilters as fields } from '@sallyport/contract';
import { compare, isAmong, isNotAmong, mentions } from '../../db/compare.ts';
import type { Scoped } from '../../db/scoped.ts';
import { type Filter, positive, readFilters } from '../../http/filters.ts';

type FilterField = keyof typeof fields;

/** A filter of a list of groups. */
export type GroupFilter = Filter<FilterField>;

/** Reads the filters of a list of groups; anything else among the parameters is refused. */
export const groupFilters = (parameters: Readonly<Record<string, unknown>>): GroupFilter[] =>
  readFilters(parameters, fields);

/** Groups that have every word and fit every filter. */
export function matching(db: Scoped, words: readonly string[], filters: readonly GroupFilter[]) {
  const found = filters.reduce((query, filter) => query.where(condition(db, filter)), db.selectFrom('groups'));
  return words.length === 0 ? found : found.where(mentions(searched, words));
}

const searched = ['groups.name', 'groups.description', 'groups.id'];

function condition(db: Scoped, { field, operator, values }: GroupFilter) {
  if (field === 'id' || field === 'name') return compare(`groups.${field}`, operator, values);
  const { operator: found, opposite } = positive(operator);
  const rows =
    field === 'roles.id'
      ? db
          .selectFrom('group_roles')
          .select('group_id')
          .where(compare('role_id', found, values))
      : db
          .selectFrom('group_members')
          .select('group_id')
          .where(compare('user_id', found, values));
  return opposite ? isNotAmong('groups.id', rows) : isAmong('groups.id', rows);
}
