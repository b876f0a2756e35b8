import type { Handlers } from '../../http/handlers.ts';
import { startOf } from '../../http/streams.ts';
import { LiveHub, type LiveHubDeps } from './hub.ts';

/** What the live streams need. */
export type LiveRouteDeps = Omit<LiveHubDeps, 'now'>;

/** The live stream. */
export const liveFeature = { routes: liveRoutes };

function liveRoutes(deps: LiveRouteDeps): Handlers<'followLive' | 'setLiveTopics'> {
  const hub = new LiveHub({ ...deps, now: deps.store.now });
  return {
    followLive: {
      stream: async ({ caller, lastEventId }, { query }, signal) => {
        const since = startOf(lastEventId, query);
        const { start, messages } = await hub.open(caller, since, signal);
        return { batches: messages, position: { start: String(start), after: ({ revision }) => String(revision) } };
      },
    },
    setLiveTopics: {
      read: async ({ caller }, { params, body }) => {
        await hub.follow(caller, params.id, body);
        return { body: undefined };
      },
    },
  };
}
