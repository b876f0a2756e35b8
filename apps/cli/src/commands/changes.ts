import type { ChangeEvent } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Item } from '../client.ts';
import { exitCodes, Failure } from '../failure.ts';
import type { Session } from '../session.ts';
import { clean } from '../text.ts';
import { count, given } from './options.ts';

interface FollowFlags {
  readonly since?: string;
  readonly limit?: string;
}

/** Adds `sally changes …`. */
export function addChanges(program: Command, session: Session): void {
  const group = program.command('changes').description('follow changes as they happen');
  group
    .command('follow')
    .description('print changes until stopped; a broken connection resumes where it broke')
    .option('--since <revision>', 'start after this revision (default: now)')
    .option('--limit <n>', 'stop after this many events')
    .action(async (flags: FollowFlags) => follow(session, flags));
}

/** Delays between attempts: the first and the longest, in milliseconds. */
const RETRY_MS = { first: 500, longest: 30_000 };

async function follow(session: Session, flags: FollowFlags): Promise<void> {
  const limit = count('--limit', flags.limit) ?? Number.POSITIVE_INFINITY;
  const since = count('--since', flags.since);
  const api = await session.api();
  let seen = 0;
  let lastEventId: string | undefined;
  const onId = (id: string) => {
    lastEventId = id;
  };
  for (let pause = 0; seen < limit; pause = Math.min(Math.max(pause * 2, RETRY_MS.first), RETRY_MS.longest)) {
    if (pause > 0) await session.io.wait(pause);
    const query = lastEventId === undefined ? given({ since: since?.toString() }) : {};
    try {
      for await (const event of api.stream('followChanges', { query, lastEventId, onId })) {
        print(session, event);
        seen += 1;
        pause = 0;
        if (seen >= limit) return;
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

function print(session: Session, { text, body }: Item<ChangeEvent>): void {
  if (session.json) session.out(`${text}\n`);
  else for (const { kind, id, op } of body.changes) session.out(`${body.revision}  ${op}  ${clean(kind)} ${id}\n`);
}
