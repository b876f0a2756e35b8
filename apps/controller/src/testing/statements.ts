import type { TestContext } from 'node:test';
import { createStore, type Store } from '../db/store.ts';
import { openTestStore } from './harness.ts';

/** A store that counts the statements it is asked for. */
export async function openCountingStore(t: TestContext): Promise<{ store: Store; statements(): number }> {
  const inner = await openTestStore(t);
  let count = 0;
  const db = inner.db.withPlugin({
    transformQuery: ({ node }) => {
      count++;
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  return { store: createStore(db, inner.now), statements: () => count };
}
