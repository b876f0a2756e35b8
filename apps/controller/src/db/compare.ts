import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely';
import { perDialect } from './per-dialect.ts';

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
      return matches(ref, value, '%');
    default: {
      const sign = sql.raw(signs[operator]);
      // An expression has the order of the database's language in PostgreSQL, unlike a column.
      return perDialect(sql`${ref} ${sign} ${value}`, sql`${ref} collate "C" ${sign} ${value}`);
    }
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
    values.map((value) => (value === '' ? sql`${ref} = '[]'` : contains(ref, `"${value}"`))),
    sql` or `,
  );
  if (operator === 'eq' || operator === 'in') return sql`(${has})`;
  if (operator === 'ne' || operator === 'nin') return sql`not (${has})`;
  const shown = sql`case ${ref} when '[]' then '[""]' else ${ref} end`;
  const each = perDialect(
    sql`json_each(${shown}) as label`,
    sql`json_array_elements_text((${shown})::json) as label (value)`,
  );
  return sql`exists (select 1 from ${each} where ${compare('label.value', operator, values)})`;
}

const contains = (ref: Expression<unknown>, part: string): RawBuilder<SqlBool> =>
  perDialect(sql`instr(${ref}, ${part}) > 0`, sql`strpos(${ref}, ${part}) > 0`);

/** Tests whether each of the words is a part of one of the columns, whatever the letter case. */
export function mentions(columns: readonly (string | Expression<unknown>)[], words: readonly string[]) {
  const refs = columns.map((column) => (typeof column === 'string' ? sql.ref(column) : column));
  const has = (word: string) =>
    sql.join(
      refs.map((ref) => matches(ref, word)),
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
 * Tests whether a text matches a pattern as a whole, whatever the letter case. `anyText` is the character that stands for
 * any text. Without one, a part of the text is enough.
 */
function matches(ref: Expression<unknown>, pattern: string, anyText?: string): RawBuilder<SqlBool> {
  const [glob, regex] = [globOf(pattern, anyText), regexOf(pattern, anyText)];
  const isPart = anyText === undefined;
  return perDialect(
    sql`${ref} glob ${isPart ? `*${glob}*` : glob}`,
    sql`${ref} collate "C" ~ ${isPart ? regex : `^${regex}$`}`,
  );
}

/** Returns a pattern as one of SQLite's GLOB with both cases of every letter. LIKE knows the case of ASCII letters only. */
const globOf = (pattern: string, anyText?: string): string =>
  translated(pattern, anyText, '*', (character) => ('*?['.includes(character) ? `[${character}]` : character));

/** Returns the same as a regular expression of PostgreSQL. */
const regexOf = (pattern: string, anyText?: string): string =>
  translated(pattern, anyText, '.*', (character) =>
    '\\^$.|?*+()[]{}'.includes(character) ? `\\${character}` : character,
  );

function translated(
  pattern: string,
  anyText: string | undefined,
  any: string,
  literal: (character: string) => string,
): string {
  return Array.from(pattern, (character) => {
    if (character === anyText) return any;
    const cases = [...new Set([character, character.toLowerCase(), character.toUpperCase()])];
    const single = cases.filter((variant) => [...variant].length === 1);
    return single.length < 2 ? literal(character) : `[${single.join('')}]`;
  }).join('');
}
