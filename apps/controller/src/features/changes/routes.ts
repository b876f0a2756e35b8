import type { Store } from '../../db/store.ts';
import type { Handlers } from '../../http/handlers.ts';
import { startOf } from '../../http/streams.ts';
import { ChangeFeed } from './feed.ts';

/** What the change feed needs. */
export interface ChangeRouteDeps {
  readonly store: Store;
}

/** The change feed. */
export const changeFeature = { routes: changeRoutes };

function changeRoutes({ store }: ChangeRouteDeps): Handlers<'followChanges'> {
  const feed = new ChangeFeed(store);
  return {
    followChanges: {
      stream: async ({ tenant, lastEventId }, { query }, signal) => {
        const since = startOf(lastEventId, query);
        const { start, batches } = await feed.follow(tenant, since, signal);
        return { batches, position: { start: String(start), after: ({ revision }) => String(revision) } };
      },
    },
  };
}
