import {
  type FilterKind,
  type FilterOperator,
  filterOperators,
  labelPattern,
  labelRule,
  longestPattern,
  id as uuid,
} from '@sallyport/contract';
import { FieldErrors } from '../field-errors.ts';

/** One condition of a list. `values` has one entry, except for `in` and `nin`. */
export interface Filter<F extends string> {
  readonly field: F;
  readonly operator: FilterOperator;
  readonly values: readonly string[];
}

/** Reads `filter[field][operator]=value` parameters. Throws `invalid_request` for any other parameter. */
export function readFilters<F extends string>(
  parameters: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<F, FilterKind>>,
): Filter<F>[] {
  const errors = new FieldErrors();
  const filters = Object.entries(parameters).flatMap(([name, given]) => {
    const pointer = `query/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const parsed = parseName(name, fields);
    if ('refusal' in parsed) {
      errors.add(pointer, parsed.refusal);
      return [];
    }
    const kind = fields[parsed.field];
    // The same parameter twice is two conditions.
    return [given].flat().map((text) => {
      const filter = { ...parsed, values: valuesOf(kind, parsed.operator, String(text)) };
      const refusal = refusalOf(kind, filter);
      if (refusal !== null) errors.add(pointer, refusal);
      return filter;
    });
  });
  errors.check();
  return filters;
}

/**
 * Splits a condition on related objects: `ne` and `nin` are the opposite of `eq` and `in`. Returns the operator to search
 * with, and whether the objects found are excluded.
 */
export function positive(operator: FilterOperator): { readonly operator: FilterOperator; readonly opposite: boolean } {
  if (operator === 'ne') return { operator: 'eq', opposite: true };
  if (operator === 'nin') return { operator: 'in', opposite: true };
  return { operator, opposite: false };
}

/** Tests a text by a filter, as `compare` does it in the database. */
export function fits(text: string, { operator, values }: Pick<Filter<string>, 'operator' | 'values'>): boolean {
  const [value = ''] = values;
  const order = Buffer.compare(Buffer.from(text), Buffer.from(value));
  switch (operator) {
    case 'in':
      return values.includes(text);
    case 'nin':
      return !values.includes(text);
    case 'ilike':
      return isLike(text.toLowerCase(), value.toLowerCase().split('%'));
    default:
      return signs[operator](order);
  }
}

/** Tests labels by a filter, as `compareLabels` does it in the database. */
export function labelsFit(
  labels: readonly string[],
  { operator, values }: Pick<Filter<string>, 'operator' | 'values'>,
) {
  const { operator: wanted, opposite } = positive(operator);
  const shown = labels.length === 0 ? [''] : labels;
  return shown.some((label) => fits(label, { operator: wanted, values })) !== opposite;
}

const signs = {
  eq: (order: number) => order === 0,
  ne: (order: number) => order !== 0,
  gt: (order: number) => order > 0,
  gte: (order: number) => order >= 0,
  lt: (order: number) => order < 0,
  lte: (order: number) => order <= 0,
};

/** Tests whether a text consists of the parts in order, with any text between them. */
function isLike(text: string, parts: readonly string[]): boolean {
  const [first = '', ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

type Name<F extends string> = Pick<Filter<F>, 'field' | 'operator'>;

function parseName<F extends string>(
  name: string,
  fields: Readonly<Record<F, FilterKind>>,
): Name<F> | { readonly refusal: string } {
  const match = /^filter\[([^[\]]*)\](?:\[([^[\]]*)\])?$/.exec(name);
  if (match === null) return { refusal: 'is not a known parameter' };
  const [, field = '', operator = 'eq'] = match;
  const known = Object.keys(fields) as F[];
  if (!isOneOf(known, field)) return { refusal: `cannot be filtered by; the fields are ${known.join(', ')}` };
  if (!isOneOf(filterOperators, operator))
    return { refusal: `has an unknown operator; the operators are ${filterOperators.join(', ')}` };
  return { field, operator };
}

const isOneOf = <T extends string>(list: readonly T[], text: string): text is T =>
  (list as readonly string[]).includes(text);

function valuesOf(kind: FilterKind, operator: FilterOperator, text: string): string[] {
  const values = operator === 'in' || operator === 'nin' ? text.split(',') : [text];
  return kind === 'id' || kind === 'label' ? values.map((value) => value.toLowerCase()) : values;
}

const labelOrNone = new RegExp(`^(${labelPattern})?$`);

const whole: readonly FilterOperator[] = ['eq', 'ne', 'in', 'nin'];

/** Refuses a value that no object can have: an error helps more than an empty list. */
function refusalOf(kind: FilterKind, { operator, values }: Filter<string>): string | null {
  if (operator === 'ilike' && values.some((pattern) => pattern.length > longestPattern))
    return `must have at most ${longestPattern} characters`;
  if (kind === 'text' || !whole.includes(operator)) return null;
  if (kind === 'id') return values.every((value) => uuid.safeParse(value).success) ? null : 'must be a UUID';
  if (kind === 'label') return values.every((value) => labelOrNone.test(value)) ? null : labelRule;
  return values.every((value) => kind.includes(value)) ? null : `must be one of ${kind.join(', ')}`;
}
