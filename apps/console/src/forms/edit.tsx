import type { OperationName, ResponseBody } from '@sallyport/contract';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { getVersioned, messageOf, type Versioned } from '../data/api.ts';
import { Skeleton } from '../kit/kit.tsx';

/** Reads an object with its version, once, for a form that changes it. */
export function Edit<N extends OperationName>({
  path,
  children,
}: {
  path: string;
  children: (object: Versioned<ResponseBody<N>>) => ReactNode;
}) {
  const { data, error } = useQuery({
    queryKey: ['edit', path],
    queryFn: () => getVersioned<N>(path),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
  if (data !== undefined) return <>{children(data)}</>;
  return error === null ? <Skeleton lines={4} /> : <p className="note bad">{messageOf(error)}</p>;
}
