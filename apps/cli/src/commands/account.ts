import type { Me, Session as SignedIn, SignInMethod } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer, Client } from '../client.ts';
import { exitCodes, Failure, usage } from '../failure.ts';
import type { Session } from '../session.ts';
import type { Column } from '../table.ts';
import { clean, moment } from '../text.ts';
import { clearable, given } from './options.ts';

/** Adds `sally account`, `sally sessions` and `sally methods`: the account of the signed-in person. */
export function addAccount(program: Command, session: Session): void {
  const account = program.command('account').description('your own account, if you signed in as a person');
  account
    .command('show')
    .description('show who you are')
    .action(async () => showMe(session, await (await ownApi(session)).call('getMe')));
  account
    .command('name')
    .description('change your own name; what is left out stays, an empty text clears it')
    .option('--first-name <text>')
    .option('--last-name <text>')
    .action(async (flags: { firstName?: string; lastName?: string }) => {
      const body = given({ firstName: clearable(flags.firstName), lastName: clearable(flags.lastName) });
      if (Object.keys(body).length === 0) throw usage('Nothing to change is named', 'See: sally account name --help');
      showMe(session, await (await ownApi(session)).call('updateMe', { body }));
    });
  addSessions(program, session);
  addMethods(program, session);
}

function addSessions(program: Command, session: Session): void {
  const sessions = program.command('sessions').alias('session').description('where you are signed in');
  sessions
    .command('list')
    .description('list your own sessions')
    .action(async () =>
      session.show(await (await ownApi(session)).call('listMySessions'), (all) => session.table(sessionColumns, all)),
    );
  sessions
    .command('end')
    .argument('[session]', 'id')
    .option('--others', 'end all sessions but this one')
    .description('end one of your own sessions, or all others')
    .action(async (id: string | undefined, { others }: { others?: boolean }) => {
      if ((id === undefined) !== (others === true)) throw usage('Name one session, or --others', 'sally sessions list');
      const api = await ownApi(session);
      if (id === undefined)
        session.show(await api.call('endMyOtherSessions'), () => 'Ended all your other sessions.\n');
      else session.show(await api.call('endMySession', { params: { id } }), () => `Ended the session ${clean(id)}.\n`);
    });
}

function addMethods(program: Command, session: Session): void {
  const methods = program.command('methods').alias('method').description('your sign-in methods');
  methods
    .command('list')
    .description('list your own sign-in methods')
    .action(async () =>
      session.show(await (await ownApi(session)).call('listMyMethods'), (all) => session.table(methodColumns, all)),
    );
  methods
    .command('remove')
    .argument('<method>', 'id')
    .description('remove one of your own sign-in methods; add one in the console')
    .action(async (id: string) => {
      const answer = await (await ownApi(session)).call('removeMyMethod', { params: { id } });
      session.show(answer, () => `Removed the sign-in method ${clean(id)}.\n`);
    });
}

/** Refuses API keys before the controller does, because they belong to no person. */
async function ownApi(session: Session): Promise<Client> {
  const { apiKey } = await session.connection();
  if (apiKey !== undefined)
    throw new Failure(exitCodes.notAllowed, 'An API key belongs to no person, and so has no account', {
      hint: 'Sign in as a person with `sally login --browser`, and unset SALLYPORT_API_KEY and SALLYPORT_API_KEY_FILE.',
    });
  return session.api();
}

function showMe(session: Session, answer: Answer<Me>): void {
  session.show(answer, ({ email, firstName, lastName, role, tenant, session: own }) =>
    session.details([
      ['E-mail', email],
      ['Name', [firstName, lastName].filter((part) => part !== undefined).join(' ') || '-'],
      ['Role', role],
      ['Tenant', `${tenant.name} (${tenant.slug})`],
      ['Session ends', moment(own.expiresAt)],
      ['Fresh until', own.freshUntil === undefined ? 'no longer fresh: sally login' : moment(own.freshUntil)],
    ]),
  );
}

const sessionColumns: readonly Column<SignedIn>[] = [
  { heading: 'ID', cell: ({ id }) => id },
  { heading: 'THIS', cell: ({ current }) => (current ? 'yes' : '-') },
  { heading: 'LAST SEEN', cell: ({ lastSeenAt }) => moment(lastSeenAt) },
  { heading: 'METHOD', cell: ({ method }) => method },
  { heading: 'FROM', cell: ({ sourceIp }) => sourceIp ?? '-' },
  { heading: 'CLIENT', cell: ({ client }) => client },
];

const methodColumns: readonly Column<SignInMethod>[] = [
  { heading: 'ID', cell: ({ id }) => id },
  { heading: 'KIND', cell: ({ kind }) => kind },
  { heading: 'NAME', cell: ({ name }) => name },
  { heading: 'CREATED', cell: ({ createdAt }) => moment(createdAt) },
  { heading: 'LAST USED', cell: ({ lastUsedAt }) => moment(lastUsedAt) },
  { heading: 'LEFT', cell: ({ left }) => (left === undefined ? '-' : String(left)) },
];
