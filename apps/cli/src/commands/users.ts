import type { RequestBody } from '@sallyport/contract';
import type { Command } from 'commander';
import { batchWrite, writeTogether } from '../batch.ts';
import { usage } from '../failure.ts';
import { listAll, type PageFlags } from '../lists.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean } from '../text.ts';
import { clearable, count, given, pages, pairs, repeated, scalarOrList, writes } from './options.ts';
import { addUserGroups } from './user-groups.ts';
import { addUserRoles } from './user-roles.ts';
import { addUserSignIn } from './user-sign-in.ts';
import { showUser, userColumns } from './user-view.ts';

type Attribute = string | number | boolean | string[];

interface UpdateFlags {
  readonly firstName?: string;
  readonly lastName?: string;
  readonly image?: string;
  readonly department?: string;
  readonly attribute?: string[];
  readonly maxDevices?: string;
}

const EXAMPLES = `
Examples:
  sally users invite anna@example.com ben@example.com --group Engineering
  sally users update anna@example.com --department Engineering --attribute level=3 --attribute office=Zurich
  sally users roles add anna@example.com Auditor
  sally users groups add anna@example.com Support`;

/** Adds `sally users …`. */
export function addUsers(program: Command, session: Session): void {
  const group = program
    .command('users')
    .alias('user')
    .description('users, who own devices')
    .addHelpText('after', EXAMPLES);
  addReads(group, session);
  addInvite(group, session);
  addUpdate(group, session);
  addStates(group, session);
  addUserRoles(group, session);
  addUserGroups(group, session);
  addUserSignIn(group, session);
}

function addReads(group: Command, session: Session): void {
  pages(group.command('list').description('list users')).action(async (flags: PageFlags) => {
    const answer = await listAll(await session.api(), 'listUsers', flags);
    session.show(answer, ({ data }) =>
      data.length === 0
        ? 'There are no users. Invite one: sally users invite EMAIL\n'
        : session.table(userColumns, data),
    );
  });
  group
    .command('get')
    .argument('<user>', 'e-mail address or id')
    .description('show a user')
    .action(async (text: string) => {
      const api = await session.api();
      showUser(session, await api.call('getUser', { params: { id: await resolveId(api, kinds.user, text) } }));
    });
}

function addInvite(group: Command, session: Session): void {
  const invite = group
    .command('invite')
    .alias('create')
    .argument('<emails...>')
    .description('invite users; if one cannot be invited, none is')
    .addOption(repeated('--group <group>', 'name or id (default: the default group)'));
  writes(invite, 'createUsers').action(async (emails: string[], flags: WriteFlags & { group?: string[] }) => {
    const groups = await resolveIds(await session.api(), kinds.group, flags.group ?? []);
    const [first, ...others] = emails.map((email) => ({ email, groups }));
    if (first === undefined) throw usage('No user is named');
    const body = others.length === 0 ? first : [first, ...others];
    const answer = await session.write('createUsers', flags, { body });
    if (answer !== undefined) session.show(answer, (users) => session.table(userColumns, [users].flat()));
  });
}

function addUpdate(group: Command, session: Session): void {
  const update = group
    .command('update')
    .argument('<user>', 'e-mail address or id')
    .description('change the given fields and keep the others; empty text clears a field')
    .option('--first-name <text>')
    .option('--last-name <text>')
    .option('--image <url>', 'picture, as URL or path')
    .option('--department <text>', 'user.department of admission rules')
    .addOption(repeated('--attribute <key=value>', 'user.attributes.KEY of admission rules; KEY= removes it'))
    .option('--max-devices <n>', 'device limit; empty: the limit of the groups');
  writes(update, 'updateUser').action(async (text: string, flags: UpdateFlags & WriteFlags) => {
    const { dryRun: _, ifMatch: __, ...named } = flags;
    if (Object.keys(named).length === 0) throw usage('No change is named', 'See: sally users update --help');
    const api = await session.api();
    const id = await resolveId(api, kinds.user, text);
    const before = await api.call('getUser', { params: { id } });
    const { firstName, lastName, image, department, attributes, maxDevices } = before.body;
    const kept = given({ firstName, lastName, image, department, attributes, maxDevices });
    const body = { ...kept, ...changes(flags, attributes) };
    const answer = await session.write('updateUser', flags, { params: { id }, body, ifMatch: before.etag });
    if (answer !== undefined) showUser(session, answer);
  });
}

function changes(flags: UpdateFlags, attributes: RequestBody<'updateUser'>['attributes']): RequestBody<'updateUser'> {
  return given({
    firstName: clearable(flags.firstName),
    lastName: clearable(flags.lastName),
    image: clearable(flags.image),
    department: clearable(flags.department),
    attributes:
      flags.attribute === undefined
        ? undefined
        : pairs<Attribute>('--attribute', flags.attribute, attributes ?? {}, scalarOrList),
    maxDevices: flags.maxDevices === '' ? null : count('--max-devices', flags.maxDevices),
  });
}

function addStates(group: Command, session: Session): void {
  const about = 'end the access of users and all of their devices at once, and keep all data';
  addVerb(group, session, ['deactivate', 'deactivateUser', about, 'Deactivated']);
  addVerb(group, session, ['reactivate', 'reactivateUser', 'restore the access of deactivated users', 'Reactivated']);
  const reinvite = group
    .command('reinvite')
    .argument('<user>', 'e-mail address or id')
    .description('invite again; the invitation is valid for another seven days');
  writes(reinvite, 'inviteUser').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.user, text);
    const answer = await session.write('inviteUser', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Invited ${clean(text)} again.\n`);
  });
  addVerb(group, session, ['delete', 'deleteUser', 'delete users and their devices; try --dry-run first', 'Deleted']);
}

type Verb = 'deactivateUser' | 'reactivateUser' | 'deleteUser';

/** Adds a command that does the same to one user or to several, all of them or none. */
function addVerb(group: Command, session: Session, [verb, operation, about, said]: [string, Verb, string, string]) {
  const command = group.command(verb).argument('<users...>', 'e-mail addresses or ids').description(about);
  writes(command, operation).action(async (texts: string[], flags: WriteFlags) => {
    const ids = [...new Set(await resolveIds(await session.api(), kinds.user, texts))];
    const [id = ''] = ids;
    if (ids.length > 1) {
      const all = ids.map((one) => batchWrite(operation, { id: one }));
      return writeTogether(session, flags, all, `${said} ${ids.length} users.`);
    }
    if (operation !== 'deleteUser') {
      const answer = await session.write(operation, flags, { params: { id } });
      return answer === undefined ? undefined : showUser(session, answer);
    }
    const answer = await session.write(operation, flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted user ${clean(texts[0] ?? '')}.\n`);
  });
}
