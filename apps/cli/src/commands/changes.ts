import type { ChangeEvent } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Item } from '../client.ts';
import { follow } from '../follow.ts';
import type { Session } from '../session.ts';
import { clean } from '../text.ts';
import { count } from './options.ts';

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
    .action(async (flags: FollowFlags) => followChanges(session, flags));
}

async function followChanges(session: Session, flags: FollowFlags): Promise<void> {
  const limit = count('--limit', flags.limit) ?? Number.POSITIVE_INFINITY;
  const since = count('--since', flags.since);
  let seen = 0;
  if (seen >= limit) return;
  await follow(session, await session.api(), {
    name: 'followChanges',
    since,
    take: (event) => {
      print(session, event);
      return ++seen < limit;
    },
  });
}

function print(session: Session, { text, body }: Item<ChangeEvent>): void {
  if (session.json) session.out(`${text}\n`);
  else for (const { kind, id, op } of body.changes) session.out(`${body.revision}  ${op}  ${clean(kind)} ${id}\n`);
}
