import type { Invitation, IssuedLink, MailResult, Session as SignedIn } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer } from '../client.ts';
import { listAll } from '../lists.ts';
import { kinds, resolveId } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import type { Column } from '../table.ts';
import { clean, moment } from '../text.ts';
import { writes } from './options.ts';

/** Adds `sally users invitations`, `… invitation-link`, `… reset-sign-in`, `… sessions …` and the like. */
export function addUserSignIn(users: Command, session: Session): void {
  const idOf = async (text: string) => resolveId(await session.api(), kinds.user, text);
  addInvitations(users, session, idOf);
  users
    .command('reset-sign-in')
    .argument('<user>', 'e-mail address or id')
    .description('remove all sign-in methods of a user, end all sessions, and create a link for a new method')
    .action(async (text: string) => {
      const params = { id: await idOf(text) };
      showLink(session, text, await (await session.api()).call('resetSignIn', { params }));
    });
  const transfer = users
    .command('transfer-ownership')
    .argument('<user>', 'e-mail address or id')
    .description('make a user the owner of the tenant; the present owner becomes an administrator');
  writes(transfer, 'transferOwnership').action(async (text: string, flags: WriteFlags) => {
    const answer = await session.write('transferOwnership', flags, { params: { id: await idOf(text) } });
    if (answer !== undefined) session.show(answer, () => `${clean(text)} is now the owner of the tenant.\n`);
  });
  addSessions(users, session, idOf);
}

function addInvitations(users: Command, session: Session, idOf: (text: string) => Promise<string>): void {
  users
    .command('invitations')
    .description('list invitations that were not accepted, with their links and mails')
    .action(async () => {
      const answer = await listAll(await session.api(), 'listInvitations');
      session.show(answer, ({ data }) =>
        data.length === 0
          ? 'There are no open invitations. Invite a user: sally users invite EMAIL\n'
          : session.table(invitationColumns, data),
      );
    });
  users
    .command('invitation-link')
    .argument('<user>', 'e-mail address or id')
    .description('create a link with which an invited user sets up sign-in; older links stop working')
    .action(async (text: string) => {
      const params = { id: await idOf(text) };
      showLink(session, text, await (await session.api()).call('createInvitationLink', { params }));
    });
  users
    .command('revoke-invitation')
    .argument('<user>', 'e-mail address or id')
    .description('end an invitation and its link; the user stays and can be invited again')
    .action(async (text: string) => {
      const answer = await (await session.api()).call('revokeInvitation', { params: { id: await idOf(text) } });
      session.show(answer, () => `Revoked the invitation of ${clean(text)}.\n`);
    });
}

const invitationColumns: readonly Column<Invitation>[] = [
  { heading: 'USER', cell: ({ user }) => user.email },
  { heading: 'STATUS', cell: ({ status }) => status },
  { heading: 'EXPIRES', cell: ({ expiresAt }) => moment(expiresAt) },
  { heading: 'LINK', cell: ({ link }) => (link === undefined ? 'none' : moment(link.createdAt)) },
  { heading: 'BY', cell: ({ link }) => link?.createdBy ?? '-' },
  { heading: 'MAIL', cell: ({ mail }) => mailText(mail) },
];

const mailText = (mail: MailResult | undefined): string =>
  mail === undefined ? '-' : [mail.state.toLowerCase(), mail.failure].filter(Boolean).join(': ');

function addSessions(users: Command, session: Session, idOf: (text: string) => Promise<string>): void {
  const group = users.command('sessions').alias('session').description('sign-in sessions of users');
  group
    .command('list')
    .argument('<user>', 'e-mail address or id')
    .description('list the sessions of a user')
    .action(async (text: string) => {
      const params = { id: await idOf(text) };
      const answer = await (await session.api()).call('listUserSessions', { params });
      session.show(answer, (sessions) =>
        sessions.length === 0 ? `${clean(text)} is not signed in.\n` : session.table(columns, sessions),
      );
    });
  group
    .command('end')
    .argument('<user>', 'e-mail address or id')
    .description('end all sessions of a user; every browser must sign in again')
    .action(async (text: string) => {
      const params = { id: await idOf(text) };
      const answer = await (await session.api()).call('endUserSessions', { params });
      session.show(answer, () => `Ended the sessions of ${clean(text)}.\n`);
    });
}

const columns: readonly Column<SignedIn>[] = [
  { heading: 'LAST SEEN', cell: ({ lastSeenAt }) => moment(lastSeenAt) },
  { heading: 'METHOD', cell: ({ method }) => method },
  { heading: 'FROM', cell: ({ sourceIp }) => sourceIp ?? '-' },
  { heading: 'CLIENT', cell: ({ client }) => client },
];

function showLink(session: Session, user: string, answer: Answer<IssuedLink>): void {
  session.show(answer, ({ url, expiresAt, mailedTo, notMailed }) =>
    session.details([
      ['For', user],
      ['Link', url],
      ['Good', `once, until ${moment(expiresAt)}`],
      ...(mailedTo === undefined ? [] : [['Mailed to', mailedTo] as [string, string]]),
      ...(notMailed === undefined ? [] : [['Not mailed', notMailed] as [string, string]]),
    ]),
  );
}
