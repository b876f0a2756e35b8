import { invalidField } from '../errors.ts';

/** A part of a list, as a request asks for it. */
export interface Page {
  readonly limit: number;
  readonly offset: number;
}

/** One column that a list is sorted by. */
export interface Order<C extends string> {
  readonly column: C;
  readonly direction: 'asc' | 'desc';
}

const longestPage = 100;
const longestSummaryPage = 500;

/** Returns the requested page, with at most 100 entries; 500 of summaries. */
export const pageOf = ({ limit, offset }: Page, fields?: 'summary'): Page => ({
  limit: Math.min(limit, fields === 'summary' ? longestSummaryPage : longestPage),
  offset,
});

/** Returns a page of a list together with the figures about the whole list. */
export function envelope<T>(data: T[], total: number, { limit, offset }: Page) {
  return {
    data,
    total,
    page: Math.floor(offset / limit),
    limit,
    hasNext: offset + limit < total,
    hasPrevious: offset > 0 && total > 0,
  };
}

/** Returns a page as JSON text, with entries that are JSON texts already. `empty`: its envelope. */
export const pageText = (entries: readonly string[], { data: _, ...figures }: ReturnType<typeof envelope>): string =>
  `{"data":[${entries.join(',')}],${JSON.stringify(figures).slice(1)}`;

/** Reads `field`, `-field`, `field:asc` and `field:desc`; fields are those of `columns`. */
export function sortOrder<C extends string>(
  sort: readonly string[],
  columns: Readonly<Record<string, C>>,
): readonly Order<C>[] {
  return sort.map((text) => {
    const match = /^(-?)([\w.]+)(?::(asc|desc))?$/.exec(text);
    const [, minus, field = '', direction] = match ?? [];
    const column = Object.hasOwn(columns, field) ? columns[field] : undefined;
    if (column === undefined || (minus === '-' && direction !== undefined))
      throw invalidField('query/sort', sortHelp(Object.keys(columns)));
    return { column, direction: minus === '-' || direction === 'desc' ? 'desc' : 'asc' };
  });
}

const sortHelp = (fields: readonly string[]): string =>
  `must be one of ${fields.join(', ')}, as "field", "-field", "field:asc" or "field:desc"`;
