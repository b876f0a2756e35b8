import type { AuditEvent } from '@sallyport/contract';
import type { Command } from 'commander';
import { exitCodes, Failure, usage } from '../failure.ts';
import type { Session } from '../session.ts';
import type { Column } from '../table.ts';
import { clean, moment, safeJson } from '../text.ts';
import { given } from './options.ts';

interface Filters {
  readonly from?: string;
  readonly to?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly kind?: string;
  readonly object?: string;
}

/** Adds `sally audit …`. */
export function addAudit(program: Command, session: Session): void {
  const group = program.command('audit').description('who changed what, and who signed in');
  filters(group.command('list').description('list audit events, newest first'))
    .option('--limit <n>', 'list at most this many', '50')
    .option('--offset <n>', 'skip this many first')
    .action(async ({ limit, offset, ...flags }: Filters & { limit?: string; offset?: string }) => {
      const query = { ...queryOf(session, flags), ...given({ limit, offset }) };
      const answer = await (await session.api()).call('listAuditEvents', { query });
      session.show(answer, ({ data, total }) => {
        const more =
          total > data.length ? `${data.length} of ${total} events; see more with --limit and --offset\n` : '';
        return data.length === 0 ? 'No events found.\n' : session.table(columns, data) + more;
      });
    });
  filters(group.command('export').description('print audit events as JSON lines, oldest first')).action(
    async (flags: Filters) => {
      const events = (await session.api()).stream('exportAuditEvents', { query: queryOf(session, flags) });
      for await (const { text } of events) session.out(`${safeJson(text)}\n`);
    },
  );
  group
    .command('verify')
    .description('check the hash chain; exit code 1 when an event was removed or edited')
    .action(async () => verify(session));
}

function filters(command: Command): Command {
  return command
    .option('--from <when>', 'a time (2026-11-01T00:00:00Z) or a span back from now (7d, 12h)')
    .option('--to <when>', 'likewise')
    .option('--actor <text>', 'who')
    .option('--action <text>', 'the action')
    .option('--kind <kind>', 'the kind of object')
    .option('--object <id>', 'the object, by id');
}

function queryOf(session: Session, { from, to, ...rest }: Filters) {
  const now = session.io.now();
  return given({ ...rest, from: momentBack('--from', from, now), to: momentBack('--to', to, now) });
}

/** Converts a time or a span back from now to ISO 8601. */
function momentBack(option: string, text: string | undefined, now: Date): string | undefined {
  if (text === undefined) return undefined;
  const span = /^([1-9][0-9]{0,4})([dh])$/.exec(text);
  const time =
    span === null ? Date.parse(text) : now.getTime() - Number(span[1]) * (span[2] === 'd' ? 86_400_000 : 3_600_000);
  if (Number.isNaN(time))
    throw usage(
      `${option} takes a time or a span, not ${text}`,
      'Give a value such as 2026-11-01T00:00:00Z, 7d or 12h.',
    );
  return new Date(time).toISOString();
}

async function verify(session: Session): Promise<void> {
  const answer = await (await session.api()).call('verifyAuditEvents');
  const { intact, firstBad, reason } = answer.body;
  session.show(answer, ({ checked, head }) =>
    session.details([
      ['Intact', intact ? { text: 'yes', style: 'green' } : { text: 'no', style: 'red' }],
      ['Checked', `${checked} events`],
      ['First bad event', firstBad],
      ['Reason', reason],
      ['Newest hash', head],
    ]),
  );
  if (intact) return;
  throw new Failure(
    exitCodes.failed,
    `The audit trail is not intact${firstBad === undefined ? '' : ` from event ${clean(firstBad)} on`}${reason === undefined ? '' : `: ${clean(reason)}`}`,
  );
}

const columns: readonly Column<AuditEvent>[] = [
  { heading: 'AT', cell: (e) => moment(e.at) },
  { heading: 'ACTOR', cell: (e) => e.actor.name },
  { heading: 'FROM', cell: (e) => e.sourceIp ?? '-' },
  { heading: 'ACTION', cell: (e) => e.action },
  { heading: 'OBJECT', cell: (e) => `${e.object.kind} ${e.object.name ?? e.object.id}` },
  { heading: 'EVENT', cell: (e) => e.id },
];
