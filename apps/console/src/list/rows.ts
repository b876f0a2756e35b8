import { keepPreviousData, useQueries } from '@tanstack/react-query';
import { type ListPage, readListPage } from '../data/list-page.ts';
import type { ListDefinition, Row } from './definition.ts';

/** Rows that one request brings. */
export const pageSize = 100;

/** The loaded part of a list. */
export interface Rows<T> {
  /** Rows of the whole list; null before the first answer. */
  readonly total: number | null;
  readonly at: (index: number) => T | undefined;
  readonly loaded: readonly T[];
  readonly error: unknown;
}

/**
 * Reads the pages of a list that are in sight, and the first one for the total. Pages out of sight are not read again when
 * something changes. A page that the reader scrolls past before it comes is given up.
 */
export function useRows<T extends Row>(
  { kind, path }: ListDefinition<T>,
  query: string,
  pages: readonly number[],
): Rows<T> {
  const wanted = [...new Set([0, ...pages])].sort((a, b) => a - b);
  const answers = useQueries({
    queries: wanted.map((page) => ({
      queryKey: [kind, path, query, page],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        readListPage<T>(`${path}?${query}&limit=${pageSize}&offset=${page * pageSize}`, signal),
      // What is known stays on the screen while other filters are being answered.
      ...(page === 0 ? { placeholderData: keepPreviousData } : {}),
    })),
  });
  const known = new Map<number, ListPage<T>>();
  for (const [i, { data }] of answers.entries()) if (data !== undefined) known.set(wanted[i] ?? 0, data);
  return {
    total: known.get(0)?.total ?? null,
    at: (index) => known.get(Math.floor(index / pageSize))?.rows[index % pageSize],
    loaded: [...known.values()].flatMap(({ rows }) => rows),
    error: answers.find(({ error }) => error !== null)?.error ?? null,
  };
}
