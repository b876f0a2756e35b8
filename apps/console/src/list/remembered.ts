import { useState } from 'react';

/** How a person likes to see a list. It stays in this browser. */
export interface Liking {
  /** Keys of columns that were switched on or off. */
  readonly columns: Readonly<Record<string, boolean>>;
  readonly compact: boolean;
  readonly sort: string | null;
}

const nothing: Liking = { columns: {}, compact: false, sort: null };

/** Returns the liking for a list, and the function that changes it. */
export function useLiking(kind: string): [Liking, (change: Partial<Liking>) => void] {
  const [liking, setLiking] = useState(() => read(kind));
  const change = (next: Partial<Liking>) => {
    const changed = { ...liking, ...next };
    setLiking(changed);
    try {
      localStorage.setItem(`list-${kind}`, JSON.stringify(changed));
    } catch {
      // A full or closed storage costs the memory, not the list.
    }
  };
  return [liking, change];
}

function read(kind: string): Liking {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(`list-${kind}`) ?? 'null');
    if (typeof kept !== 'object' || kept === null) return nothing;
    const { columns, compact, sort } = kept as Partial<Liking>;
    return {
      columns: typeof columns === 'object' && columns !== null ? columns : {},
      compact: compact === true,
      sort: typeof sort === 'string' ? sort : null,
    };
  } catch {
    return nothing;
  }
}
