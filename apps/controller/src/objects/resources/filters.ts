import { type FilterOperator, resourceFilters as fields } from '@sallyport/contract';
import { compare, compareLabels, isAmong, isNotAmong, mentions } from '../../db/compare.ts';
import type { Scoped } from '../../db/scoped.ts';
import { resourceAddresses, shownLabels } from '../../db/shown-columns.ts';
import { type Filter, positive, readFilters } from '../../http/filters.ts';

type FilterField = keyof typeof fields;

/** A filter of a list of resources. */
export type ResourceFilter = Filter<FilterField>;

/** Reads the filters of a list of resources; anything else among the parameters is refused. */
export const resourceFilters = (parameters: Readonly<Record<string, unknown>>): ResourceFilter[] =>
  readFilters(parameters, fields);

/**
 * Returns a query for the resources that have every word and fit every filter but those on the status, which no column
 * holds. A filter on gateways, policies or protocols asks for one
 * that fits; `ne` and `nin` are the opposite of `eq` and `in`.
 */
export function matching(db: Scoped, words: readonly string[], filters: readonly ResourceFilter[]) {
  const found = filters.reduce(
    (query, { field, ...filter }) => (field === 'status' ? query : query.where(condition(db, { field, ...filter }))),
    db.selectFrom('resources'),
  );
  return words.length === 0 ? found : found.where(mentions(searched, words));
}

const searched = [
  'resources.name',
  'resources.description',
  'resources.id',
  resourceAddresses,
  shownLabels('resources'),
];

type StoredField = Exclude<FilterField, 'status'>;

function condition(db: Scoped, { field, operator, values }: Filter<StoredField>) {
  if (field === 'id' || field === 'name' || field === 'type') return compare(`resources.${field}`, operator, values);
  if (field === 'label') return compareLabels('resources.labels', operator, values);
  const { operator: found, opposite } = positive(operator);
  const rows = resourcesWith(db, field, found, values);
  return opposite ? isNotAmong('resources.id', rows) : isAmong('resources.id', rows);
}

/** Returns a query for the ids of resources with a related object that fits. */
function resourcesWith(db: Scoped, field: StoredField, operator: FilterOperator, values: readonly string[]) {
  if (field === 'gateways.id')
    return db
      .selectFrom('resource_gateways')
      .select('resource_id')
      .where(compare('gateway_id', operator, values));
  if (field === 'policies.id')
    return db
      .selectFrom('policy_members')
      .select('member_id')
      .where('kind', '=', 'resource')
      .where(compare('policy_id', operator, values));
  return db
    .selectFrom('address_protocols')
    .innerJoin('addresses', 'addresses.id', 'address_protocols.address_id')
    .select('addresses.resource_id')
    .where(compare('address_protocols.protocol_id', operator, values));
}
