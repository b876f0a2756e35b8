import type { ResponseBody } from '@sallyport/contract';
import type { Answer, Client, Query } from './client.ts';
import { usage } from './failure.ts';

/** Operations that return a paged list. */
export type PagedOperation = 'listDevices' | 'listResources' | 'listUsers' | 'listGroups' | 'listInvitations';
type Page = ResponseBody<PagedOperation>;

/** The wanted part of a paged list; all of it without limit and offset. */
export interface PageFlags {
  readonly limit?: string;
  readonly offset?: string;
  readonly sort?: string;
  readonly search?: string;
  readonly filter?: readonly string[];
}

const PAGE = 100;

/**
 * Reads a paged list: one page when the flags ask for one, else all pages joined into one answer of the same shape. A
 * part is therefore never mistaken for the whole list.
 */
export async function listAll<N extends PagedOperation>(
  api: Client,
  name: N,
  flags: PageFlags = {},
): Promise<Answer<ResponseBody<N>>> {
  const { limit, offset, sort, search: q } = flags;
  const filter = filterQuery(flags.filter);
  if (limit !== undefined || offset !== undefined)
    return api.call(name, { query: { limit, offset, sort, q, ...filter } });
  const pages: Answer<ResponseBody<N>>[] = [];
  for (;;) {
    const query = { limit: String(PAGE), offset: String(pages.length * PAGE), sort, q, ...filter };
    const page = await api.call(name, { query });
    pages.push(page);
    const { hasNext, data } = page.body as Page;
    if (!hasNext || data.length === 0) break;
  }
  return pages.length === 1 && pages[0] !== undefined ? pages[0] : joined(pages);
}

/** Turns `name[ilike]=%web%` into `filter[name][ilike]=%web%`. A condition that is given twice applies twice. */
export function filterQuery(filters: readonly string[] = []): Query {
  const query: Record<string, string[]> = {};
  for (const text of filters) {
    const [, field, operator = 'eq', value = ''] = /^([A-Za-z.]+)(?:\[([a-z]+)\])?=(.*)$/.exec(text) ?? [];
    if (field === undefined)
      throw usage(`Not a filter: ${text}`, 'Give a filter such as name[ilike]=%web% or type=PRIVATE');
    (query[`filter[${field}][${operator}]`] ??= []).push(value);
  }
  return query;
}

function joined<N extends PagedOperation>(pages: readonly Answer<ResponseBody<N>>[]): Answer<ResponseBody<N>> {
  const whole = (data: readonly unknown[]) => ({
    data,
    total: data.length,
    page: 0,
    limit: data.length,
    hasNext: false,
    hasPrevious: false,
  });
  const sent = pages.flatMap((page): unknown[] => JSON.parse(page.text).data);
  const read = pages.flatMap(({ body }): unknown[] => (body as Page).data);
  return { text: JSON.stringify(whole(sent)), body: whole(read) as unknown as ResponseBody<N>, etag: undefined };
}
