import type { MailStatus, SentMail } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer } from '../client.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session } from '../session.ts';
import type { Column } from '../table.ts';
import { clean, moment } from '../text.ts';

/** Adds `sally settings mail …`. */
export function addMail(settings: Command, session: Session): void {
  const group = settings.command('mail').description('mail to users of this tenant');
  group
    .command('status')
    .description('show whether the controller sends mail, and the newest mails')
    .action(async () => showMail(session, await (await session.api()).call('getMailStatus')));
  group
    .command('test')
    .description('send a test mail now')
    .option('--user <user>', 'e-mail address or id of a user of this tenant (default: you)')
    .action(async ({ user }: { user?: string }) => {
      const api = await session.api();
      const body = user === undefined ? {} : { user: await resolveId(api, kinds.user, user) };
      const answer = await api.call('sendTestMail', { body });
      session.show(answer, ({ sentTo }) => `The mail server has taken a test mail to ${clean(sentTo)}.\n`);
    });
}

function showMail(session: Session, answer: Answer<MailStatus>): void {
  session.show(answer, ({ enabled, from, problem, mails }) => {
    const details = session.details([
      ['Mail', enabled ? `from ${from ?? 'an unknown address'}` : 'off; the operator sets SALLYPORT_SMTP_URL'],
      ...(problem === undefined ? [] : [['Problem', problem] as [string, string]]),
    ]);
    return mails.length === 0 ? details : `${details}\n${session.table(columns, mails)}`;
  });
}

const columns: readonly Column<SentMail>[] = [
  { heading: 'WRITTEN', cell: ({ createdAt }) => moment(createdAt) },
  { heading: 'TO', cell: ({ user }) => user.email },
  { heading: 'KIND', cell: ({ kind }) => kind.toLowerCase() },
  { heading: 'STATE', cell: ({ state }) => state.toLowerCase() },
  { heading: 'FAILURE', cell: ({ failure }) => failure ?? '-' },
];
