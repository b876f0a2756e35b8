import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import type { ListDefinition, Row } from './definition.ts';
import {
  type Chip,
  filterParameters,
  readChips,
  readSort,
  type Search,
  type Sort,
  written,
  writtenSort,
} from './filters.ts';

/** What the address says about a list, and the functions that change it. */
export interface ListAddress {
  readonly q: string;
  readonly chips: readonly Chip[];
  readonly sort: Sort | null;
  /** Id of the object in the side panel. */
  readonly open: string | null;
  /** Parameters of the API, without the page. */
  readonly query: string;
  readonly change: (changes: Search) => void;
}

/** Reads the state of a list from the address of the page. `remembered`: the order when the address names none. */
export function useAddress<T extends Row>(list: ListDefinition<T>, remembered: string | null): ListAddress {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const change = useCallback(
    (changes: Search) =>
      void navigate({ search: (now: Search) => tidy({ ...now, ...changes }), replace: true } as never),
    [navigate],
  );
  return useMemo(() => {
    const q = typeof search.q === 'string' || typeof search.q === 'number' ? String(search.q) : '';
    const chips = readChips(search, list.filters);
    const sort = readSort(search.sort ?? remembered, sortFields(list));
    const open = typeof search.id === 'string' ? search.id : null;
    return { q, chips, sort, open, change, query: queryOf(list, q, chips, sort) };
  }, [search, list, remembered, change]);
}

const sortFields = <T extends Row>({ columns }: ListDefinition<T>): string[] =>
  columns.flatMap(({ sort }) => (sort === undefined ? [] : [sort]));

function queryOf<T extends Row>(list: ListDefinition<T>, q: string, chips: readonly Chip[], sort: Sort | null): string {
  const filters = list.plainFilters
    ? chips.map(({ field, values }): [string, string] => [field, values[0] ?? ''])
    : filterParameters(chips, list.filters);
  return new URLSearchParams([
    ...new URLSearchParams(list.always),
    ...(q.trim() === '' || !list.searchable ? [] : [['q', q.trim()] as [string, string]]),
    ...filters,
    ...(sort === null ? [] : [['sort', writtenSort(sort)] as [string, string]]),
  ]).toString();
}

/** Leaves out what says nothing. */
const tidy = (search: Search): Search =>
  Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined && value !== ''));

/** Returns the change of the address that a condition makes. */
export const chipChange = (chip: Chip): Search => ({ [chip.field]: written(chip) });
