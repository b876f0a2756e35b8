import type { ResponseBody } from '@sallyport/contract';
import type { Client, Item, StreamName } from './client.ts';
import { exitCodes, Failure } from './failure.ts';
import type { Session } from './session.ts';
import { clean } from './text.ts';

/** A stream of Server-Sent Events to follow. */
export interface Followed<N extends StreamName> {
  readonly name: N;
  /** Revision to start after; undefined: now. */
  readonly since?: number | undefined;
  /** Takes an event. Returns whether to go on. */
  take(event: Item<ResponseBody<N>>): Promise<boolean> | boolean;
}

/** Delays between attempts: the first and the longest, in milliseconds. */
const RETRY_MS = { first: 500, longest: 30_000 };

/** Follows a stream until it has enough. A broken connection resumes where it broke. */
export async function follow<N extends StreamName>(
  session: Session,
  api: Client,
  { name, since, take }: Followed<N>,
): Promise<void> {
  let lastEventId: string | undefined;
  const onId = (id: string) => {
    lastEventId = id;
  };
  for (let pause = 0; ; pause = Math.min(Math.max(pause * 2, RETRY_MS.first), RETRY_MS.longest)) {
    if (pause > 0) await session.io.wait(pause);
    const query = lastEventId === undefined && since !== undefined ? { since: since.toString() } : {};
    try {
      for await (const event of api.stream(name, { query, lastEventId, onId })) {
        pause = 0;
        if (!(await take(event))) return;
      }
    } catch (error) {
      if (!mayResume(error, lastEventId)) throw error;
      session.note(`sally: ${error.message}. Resuming after revision ${clean(lastEventId ?? '')}.`);
    }
  }
}

/**
 * Returns whether to reconnect. A stream resumes once it has delivered an event; a refusal or an address that never
 * answered does not.
 */
function mayResume(error: unknown, lastEventId: string | undefined): error is Failure {
  return error instanceof Failure && error.exitCode === exitCodes.unreachable && lastEventId !== undefined;
}
