import { type gatewayFilters as fields, gatewayFilters, type gatewaySortFields, type Input } from '@sallyport/contract';
import { type Filter, fits, labelsFit, readFilters } from '../../http/filters.ts';
import { type Order, sortOrder } from '../../http/paging.ts';
import { searchWords } from '../../http/search.ts';
import type { GatewayText } from './views.ts';

type Field = keyof typeof fields;
type SortField = (typeof gatewaySortFields)[number];

/** Which gateways a list is about, and in which order. */
export interface Selection {
  readonly words: readonly string[];
  readonly filters: readonly Filter<Field>[];
  readonly order: readonly Order<SortField>[];
  readonly offset: number;
  readonly limit: number | undefined;
  readonly summary: boolean;
}

/** Reads what a list of gateways is asked for; null for the whole list in its own order. */
export function selectionOf({ q, sort, fields, limit, offset, ...rest }: Input<'listGateways'>['query']) {
  const filters = readFilters(rest, gatewayFilters);
  const words = searchWords(q);
  const summary = fields === 'summary';
  const asked = [words.length, filters.length, sort.length, offset].some((number) => number > 0);
  if (!asked && !summary && limit === undefined) return null;
  return { words, filters, order: sortOrder(sort, sortFields), offset, limit, summary } satisfies Selection;
}

const sortFields = {
  id: 'id',
  name: 'name',
  createdAt: 'createdAt',
  updatedAt: 'updatedAt',
  status: 'status',
  lastOnline: 'lastOnline',
} as const satisfies Record<SortField, SortField>;

/** Returns the gateways of the page, and how many fit. They must have been observed. */
export function selected(texts: readonly GatewayText[], { words, filters, order, offset, limit }: Selection) {
  const found = texts
    .filter((text) => words.every((word) => mentions(text, word)))
    .filter((text) => filters.every((filter) => fitsOne(text, filter)))
    .sort((a, b) => {
      for (const { column, direction } of order) {
        const difference = compareValues(values[column](a), values[column](b));
        if (difference !== 0) return direction === 'asc' ? difference : -difference;
      }
      return 0;
    });
  return { page: found.slice(offset, limit === undefined ? undefined : offset + limit), total: found.length };
}

const fitsOne = (text: GatewayText, { field, ...filter }: Filter<Field>): boolean =>
  field === 'label' ? labelsFit(text.labels, filter) : fits(String(values[field](text)), filter);

const values = {
  id: ({ row }: GatewayText) => row.id,
  name: ({ row }: GatewayText) => row.name,
  createdAt: ({ row }: GatewayText) => row.created_at,
  updatedAt: ({ row }: GatewayText) => row.updated_at,
  status: ({ shown }: GatewayText) => shown.status,
  lastOnline: ({ shown }: GatewayText) => shown.lastOnline,
};

function mentions({ row, labels }: GatewayText, word: string): boolean {
  const wanted = word.toLowerCase();
  const { name, description, id, endpoint, discovered_endpoint, overlay_v4, overlay_v6 } = row;
  return [name, description, id, endpoint, discovered_endpoint, overlay_v4, overlay_v6, ...labels].some((text) =>
    text?.toLowerCase().includes(wanted),
  );
}

function compareValues(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
}
