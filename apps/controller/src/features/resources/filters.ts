import { accessType, filterOperators, resourceFilterFields, id as uuid } from '@sallyport/contract';
import { compare, isAmong, isNotAmong } from '../../db/compare.ts';
import type { Scoped } from '../../db/scoped.ts';
import { FieldErrors } from '../../field-errors.ts';

export type FilterField = (typeof resourceFilterFields)[number];
export type FilterOperator = (typeof filterOperators)[number];

/** One condition of a list. `values` has one entry, but for `in` and `nin`. */
export interface Filter {
  readonly field: FilterField;
  readonly operator: FilterOperator;
  readonly values: readonly string[];
}

/** Reads `filter[field][operator]=value` parameters; anything else among the parameters is refused. */
export function resourceFilters(parameters: Readonly<Record<string, unknown>>): Filter[] {
  const errors = new FieldErrors();
  const filters = Object.entries(parameters).flatMap(([name, given]) => {
    const pointer = `query/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const parsed = parseName(name);
    if ('refusal' in parsed) {
      errors.add(pointer, parsed.refusal);
      return [];
    }
    // The same parameter twice is two conditions.
    return [given].flat().map((text) => {
      const filter = { ...parsed, values: valuesOf(parsed, String(text)) };
      const refusal = refusalOf(filter);
      if (refusal !== null) errors.add(pointer, refusal);
      return filter;
    });
  });
  errors.check();
  return filters;
}

/**
 * Resources that fit every filter. A resource has many gateways, policies and protocols: a filter on them asks for one
 * that fits, and `ne` and `nin` are the opposite of `eq` and `in`.
 */
export function matching(db: Scoped, filters: readonly Filter[]) {
  return filters.reduce((query, filter) => query.where(condition(db, filter)), db.selectFrom('resources'));
}

type Name = Pick<Filter, 'field' | 'operator'>;

function parseName(name: string): Name | { readonly refusal: string } {
  const match = /^filter\[([^[\]]*)\](?:\[([^[\]]*)\])?$/.exec(name);
  if (match === null) return { refusal: 'is not a known parameter' };
  const [, field = '', operator = 'eq'] = match;
  if (!isOneOf(resourceFilterFields, field))
    return { refusal: `cannot be filtered by; the fields are ${resourceFilterFields.join(', ')}` };
  if (!isOneOf(filterOperators, operator))
    return { refusal: `has an unknown operator; the operators are ${filterOperators.join(', ')}` };
  return { field, operator };
}

const isOneOf = <T extends string>(list: readonly T[], text: string): text is T =>
  (list as readonly string[]).includes(text);

function valuesOf({ field, operator }: Name, text: string): string[] {
  const values = operator === 'in' || operator === 'nin' ? text.split(',') : [text];
  return field === 'name' || field === 'type' ? values : values.map((value) => value.toLowerCase());
}

const exact: readonly FilterOperator[] = ['eq', 'ne', 'in', 'nin'];

const longestPattern = 200;

/** A value that no object can have is a mistake, and worth more than an empty list. */
function refusalOf({ field, operator, values }: Filter): string | null {
  if (operator === 'ilike' && values.some((pattern) => pattern.length > longestPattern))
    return `must have at most ${longestPattern} characters`;
  if (field === 'name' || !exact.includes(operator)) return null;
  const schema = field === 'type' ? accessType : uuid;
  if (values.every((value) => schema.safeParse(value).success)) return null;
  return field === 'type' ? `must be one of ${accessType.options.join(', ')}` : 'must be a UUID';
}

function condition(db: Scoped, { field, operator, values }: Filter) {
  if (field === 'id' || field === 'name' || field === 'type') return compare(`resources.${field}`, operator, values);
  if (operator === 'ne') return isNotAmong('resources.id', resourcesWith(db, { field, operator: 'eq', values }));
  if (operator === 'nin') return isNotAmong('resources.id', resourcesWith(db, { field, operator: 'in', values }));
  return isAmong('resources.id', resourcesWith(db, { field, operator, values }));
}

/** Query for the ids of the resources of which one of the related objects fits. */
function resourcesWith(db: Scoped, { field, operator, values }: Filter) {
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
