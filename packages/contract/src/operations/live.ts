import { LiveMessage, LiveTopics, liveQuery } from '../http/live.ts';
import { byId, define, noQuery } from './define.ts';

/** The live stream: what one page or program shows, as it changes. */
export const liveOperations = define({
  followLive: {
    method: 'GET',
    path: '/tenants/live',
    tag: 'Live',
    right: 'read',
    summary: 'Stream changes, presence, statistics and paths as Server-Sent Events',
    description: 'At most one message a second. `setLiveTopics` says what the stream follows beside changes.',
    query: liveQuery,
    status: 200,
    response: LiveMessage,
    stream: 'sse',
  },
  setLiveTopics: {
    method: 'PUT',
    path: '/tenants/live/{id}',
    tag: 'Live',
    right: 'read',
    quiet: true,
    summary: 'Set what a live stream of the caller follows',
    description: 'The topics replace the earlier ones. The stream sends the present state of what is new in them.',
    params: byId,
    query: noQuery,
    body: LiveTopics,
    status: 204,
  },
});
