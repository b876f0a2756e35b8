import type { Me } from '@sallyport/contract';
import { createContext, useContext } from 'react';

export const MeContext = createContext<Me | null>(null);

/** The signed-in person, on every page inside the shell. */
export function useSignedIn(): Me {
  const me = useContext(MeContext);
  if (me === null) throw new Error('a page of the shell stands outside it');
  return me;
}
