import type { Me, OperationName, ResponseBody } from '@sallyport/contract';
import { QueryCache, QueryClient, useQuery } from '@tanstack/react-query';
import { ApiFailure, get } from './api.ts';

export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    // The session has ended elsewhere: the shell then leads to sign-in, and back.
    onError: (error) => {
      if (error instanceof ApiFailure && error.code === 'unauthenticated') queryClient.setQueryData(['me'], null);
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      // The live stream tells what has changed while the page was hidden.
      refetchOnWindowFocus: false,
      retry: (count, error) => count < 2 && error instanceof ApiFailure && error.code === 'unreachable',
    },
  },
});

/** Reads a path. The first part of the key is the kind that the live stream names. */
export const useRead = <N extends OperationName>(kind: string, path: string, enabled = true) =>
  useQuery<ResponseBody<N>>({
    queryKey: [kind, path],
    queryFn: () => get<N>(path),
    enabled,
  });

/** The signed-in person, or null. */
export const useMe = () =>
  useQuery<Me | null>({
    queryKey: ['me'],
    staleTime: 60_000,
    queryFn: () =>
      get<'getMe'>('/tenants/me').catch((error) => {
        if (error instanceof ApiFailure && error.code === 'unauthenticated') return null;
        throw error;
      }),
  });

/** Whether a role may change objects of the tenant. */
export const mayWrite = (me: Me): boolean => me.role === 'OWNER' || me.role === 'ADMIN';
/** Whether a role sees the objects of the tenant. */
export const mayRead = (me: Me): boolean => ['OWNER', 'ADMIN', 'AUDITOR', 'SUPPORT'].includes(me.role);
export const mayAudit = (me: Me): boolean => ['OWNER', 'ADMIN', 'AUDITOR'].includes(me.role);
