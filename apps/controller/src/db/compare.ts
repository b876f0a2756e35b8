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
      return sql`${ref} glob ${globOf(value, '%')}`;
    default:
      return sql`${ref} ${sql.raw(signs[operator])} ${value}`;
  }
}

/**
 * Tests the labels in a JSON column, as `labelsFit` does it in memory. One label that fits is enough; `ne` and `nin` are
 * the opposite of `eq` and `in`. An object without labels has the label ''.
 */
export function compareLabels(column: string, operator: Operator, values: readonly string[]): RawBuilder<SqlBool> {
  const ref = sql.ref(column);
  // Labels need no escape in JSON, so a label is in the list when its quoted form is in the text.
  const has = sql.join(
    values.map((value) => (value === '' ? sql`${ref} = '[]'` : sql`instr(${ref}, ${`"${value}"`}) > 0`)),
    sql` or `,
  );
  if (operator === 'eq' || operator === 'in') return sql`(${has})`;
  if (operator === 'ne' || operator === 'nin') return sql`not (${has})`;
  const each = sql`json_each(case ${ref} when '[]' then '[""]' else ${ref} end)`;
  return sql`exists (select 1 from ${each} as label where ${compare('label.value', operator, values)})`;
}

/** Tests whether each of the words is a part of one of the columns, whatever the letter case. */
export function mentions(columns: readonly (string | Expression<unknown>)[], words: readonly string[]) {
  const refs = columns.map((column) => (typeof column === 'string' ? sql.ref(column) : column));
  const has = (word: string) =>
    sql.join(
      refs.map((ref) => sql`${ref} glob ${`*${globOf(word)}*`}`),
      sql` or `,
    );
  return sql<SqlBool>`(${sql.join(
    words.map((word) => sql`(${has(word)})`),
    sql` and `,
  )})`;
}

/** Tests whether a column has one of the values that a query of one column finds. */
export const isAmong = (column: string, rows: Expression<unknown>): RawBuilder<SqlBool> =>
  sql`${sql.ref(column)} in (${rows})`;

/** Tests whether a column has none of the values that a query of one column finds. */
export const isNotAmong = (column: string, rows: Expression<unknown>): RawBuilder<SqlBool> =>
  sql`${sql.ref(column)} not in (${rows})`;

const signs = { eq: '=', ne: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

/**
 * Returns a pattern as one of SQLite's GLOB with both cases of every letter. LIKE knows the case of ASCII letters only.
 * `anyText` is the character that stands for any text.
 */
function globOf(pattern: string, anyText?: string): string {
  return Array.from(pattern, (character) => {
    if (character === anyText) return '*';
    if ('*?['.includes(character)) return `[${character}]`;
    const cases = [...new Set([character, character.toLowerCase(), character.toUpperCase()])];
    const single = cases.filter((variant) => [...variant].length === 1);
    return single.length < 2 ? character : `[${single.join('')}]`;
  }).join('');
}
