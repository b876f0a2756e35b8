import { answerOf } from './api.ts';

/** Some rows of a list, and how many the whole list has. */
export interface ListPage<T> {
  readonly rows: readonly T[];
  readonly total: number;
}

/** Reads one page of a list. Lists answer with a page object, or with an array and `X-Total-Count`. */
export async function readListPage<T>(path: string, signal?: AbortSignal): Promise<ListPage<T>> {
  const { content, headers } = await answerOf('GET', path, undefined, signal === undefined ? {} : { signal });
  if (!Array.isArray(content)) {
    const { data, total } = content as { data: T[]; total: number };
    return { rows: data, total };
  }
  return { rows: content as T[], total: Number(headers.get('x-total-count') ?? content.length) };
}
