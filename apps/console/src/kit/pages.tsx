import { useNavigate, useSearch } from '@tanstack/react-router';
import { Button, plural } from './kit.tsx';

/** Which page of a list is shown. It lives in the address. */
export interface PageState {
  readonly offset: number;
  readonly limit: number;
  /** For the list's path. */
  readonly query: string;
  readonly go: (offset: number) => void;
}

export function usePage(limit = 50): PageState {
  const search = useSearch({ strict: false }) as { offset?: string | number };
  const navigate = useNavigate();
  const offset = Math.max(0, Number(search.offset ?? 0) || 0);
  const go = (next: number) => void navigate({ search: { ...search, offset: next === 0 ? undefined : next } } as never);
  return { offset, limit, query: `limit=${limit}&offset=${offset}`, go };
}

/** Goes from page to page. Nothing where one page holds all. */
export function Pages({ page: { offset, limit, go }, total }: { page: PageState; total: number }) {
  if (total <= limit && offset === 0) return null;
  return (
    <nav className="row between" aria-label="Pages">
      <span className="muted num">
        {offset + 1} to {Math.min(total, offset + limit)} of {plural(total, 'entry', 'entries')}
      </span>
      <span className="row">
        <Button disabled={offset === 0} onClick={() => go(Math.max(0, offset - limit))}>
          Previous
        </Button>
        <Button disabled={offset + limit >= total} onClick={() => go(offset + limit)}>
          Next
        </Button>
      </span>
    </nav>
  );
}
