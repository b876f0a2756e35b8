import type { Store } from '../../db/store.ts';
import { invalidField } from '../../errors.ts';
import type { Handlers } from '../../http/handlers.ts';
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
        const since = lastEventId === null ? (query.since ?? null) : revisionOf(lastEventId);
        const { start, batches } = await feed.follow(tenant, since, signal);
        return { batches, position: { start: String(start), after: ({ revision }) => String(revision) } };
      },
    },
  };
}

function revisionOf(lastEventId: string): number {
  if (!/^\d{1,15}$/.test(lastEventId)) throw invalidField('header/last-event-id', 'must be the id of an event');
  return Number(lastEventId);
}
