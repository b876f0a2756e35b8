import { useQuery } from '@tanstack/react-query';
import { readListPage } from './list-page.ts';

/** Reads one page of a list, and how many rows the list has. The first part of the key is the kind that changes name. */
export const useListPage = <T>(kind: string, path: string, enabled = true) =>
  useQuery({
    queryKey: [kind, path, 'page'],
    queryFn: () => readListPage<T>(path),
    enabled,
  });
