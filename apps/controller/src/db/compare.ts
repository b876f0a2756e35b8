import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely';

/** Operators of filters. */
export type Operator = 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte' | 'ilike' | 'in' | 'nin';

/**
 * Compares a text column (its name, or an expression) by code points. `values` has one entry, except for `in` and
 * `nin`. `ilike` takes `%` for any text.
 */
export function compare(
  column: string | Expression<unknown>,
  operator: Operator,
  values: readonly string[],
): RawBuilder<SqlBool> {
  const [value = ''] = values;
  const ref = typeof column === 'string' ? sql.ref(column) : column;
  switch (operator) {
    case 'in':
      return sql`${ref} in (${sql.join(values)})`;
    case 'nin':
      return sql`${ref} not in (${sql.join(values)})`;
    case 'ilike':
      return sql`${ref} glob ${globOf(value)}`;
    default:
      return sql`${ref} ${sql.raw(signs[operator])} ${value}`;
  }
}

/** Tests whether a column has one of the values that a query of one column finds. */
export const isAmong = (column: string, rows: Expression<unknown>): RawBuilder<SqlBool> =>
  sql`${sql.ref(column)} in (${rows})`;

/** Tests whether a column has none of the values that a query of one column finds. */
export const isNotAmong = (column: string, rows: Expression<unknown>): RawBuilder<SqlBool> =>
  sql`${sql.ref(column)} not in (${rows})`;

const signs = { eq: '=', ne: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

/**
 * Returns a pattern with `%` as a pattern of SQLite's GLOB with both cases of every letter. LIKE knows the case of
 * ASCII letters only.
 */
function globOf(pattern: string): string {
  return Array.from(pattern, (character) => {
    if (character === '%') return '*';
    if ('*?['.includes(character)) return `[${character}]`;
    const cases = [...new Set([character, character.toLowerCase(), character.toUpperCase()])];
    const single = cases.filter((variant) => [...variant].length === 1);
    return single.length < 2 ? character : `[${single.join('')}]`;
  }).join('');
}
