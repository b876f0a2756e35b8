import type { RequestBody, ResponseBody } from '@sallyport/contract';
import type { Command } from 'commander';
import type { Answer, Client } from '../client.ts';
import { usage } from '../failure.ts';
import { listAll, type PageFlags } from '../lists.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import type { Column } from '../table.ts';
import { clean, moment } from '../text.ts';
import { clearable, count, given, onOff, pages, repeated, writes } from './options.ts';
import { namesOf } from './user-view.ts';

type Group = ResponseBody<'getGroup'>;

interface GroupFlags {
  readonly name?: string;
  readonly description?: string;
  readonly role?: string[];
  readonly maxDevices?: string;
  readonly idpGroup?: string[];
  readonly samlDefault?: boolean;
}

/** Adds `sally groups …`. */
export function addGroups(program: Command, session: Session): void {
  const group = program.command('groups').alias('group').description('groups of users, for policies');
  addReads(group, session);
  addWrites(group, session);
}

function addReads(group: Command, session: Session): void {
  pages(group.command('list').description('list groups')).action(async (flags: PageFlags) => {
    const answer = await listAll(await session.api(), 'listGroups', flags);
    session.show(answer, ({ data }) => session.table(columns, data));
  });
  group
    .command('get')
    .argument('<group>', 'name or id')
    .description('show a group with its members')
    .action(async (text: string) => {
      const api = await session.api();
      showGroup(session, await api.call('getGroup', { params: { id: await resolveId(api, kinds.group, text) } }));
    });
}

function addWrites(group: Command, session: Session): void {
  const create = group.command('create').argument('<name>').description('create a group');
  writes(fields(create), 'createGroup').action(async (name: string, flags: GroupFlags & WriteFlags) => {
    const body = { roles: [], ...(await namedFields(await session.api(), flags)), name };
    const answer = await session.write('createGroup', flags, { body });
    if (answer !== undefined) showGroup(session, answer);
  });
  const update = group
    .command('update')
    .argument('<group>', 'name or id')
    .description('change the given fields and keep the others; empty text clears a field')
    .option('--name <name>');
  writes(fields(update), 'updateGroup').action(async (text: string, flags: GroupFlags & WriteFlags) => {
    const { dryRun: _, ifMatch: __, ...named } = flags;
    if (Object.keys(named).length === 0) throw usage('No change is named', 'See: sally groups update --help');
    const api = await session.api();
    const id = await resolveId(api, kinds.group, text);
    const before = await api.call('getGroup', { params: { id } });
    const body = { ...keptFields(before.body), ...(await namedFields(api, flags)) };
    const answer = await session.write('updateGroup', flags, { params: { id }, body, ifMatch: before.etag });
    if (answer !== undefined) showGroup(session, answer);
  });
  const remove = group
    .command('delete')
    .argument('<group>', 'name or id')
    .description('delete a group, also from users and policies; try --dry-run first');
  writes(remove, 'deleteGroup').action(async (text: string, flags: WriteFlags) => {
    const id = await resolveId(await session.api(), kinds.group, text);
    const answer = await session.write('deleteGroup', flags, { params: { id } });
    if (answer !== undefined) session.show(answer, () => `Deleted group ${clean(text)}.\n`);
  });
}

function fields(command: Command): Command {
  return command
    .option('--description <text>')
    .addOption(repeated('--role <role>', 'replace the roles of its members, by name or id; empty: none'))
    .option('--max-devices <n>', 'device limit of each member')
    .addOption(repeated('--idp-group <name>', 'replace its names at the identity provider; empty: none'))
    .addOption(onOff('--saml-default <on|off>', 'default group of users without a group at the identity provider'));
}

async function namedFields(api: Client, flags: GroupFlags) {
  const roles = flags.role === undefined ? undefined : await resolveIds(api, kinds.role, flags.role.filter(Boolean));
  return given({
    name: flags.name,
    description: clearable(flags.description),
    roles,
    maxDevices: count('--max-devices', flags.maxDevices),
    isSamlDefaultGroup: flags.samlDefault,
    idpMapping: flags.idpGroup?.filter(Boolean),
  });
}

function keptFields(before: Group): RequestBody<'updateGroup'> {
  const { name, description, maxDevices, isSamlDefaultGroup, idpMapping } = before;
  const roles = before.roles.map(({ id }) => id);
  return { name, roles, maxDevices, isSamlDefaultGroup, idpMapping, ...given({ description }) };
}

function showGroup(session: Session, answer: Answer<Group>): void {
  session.show(answer, (group, etag) =>
    session.details([
      ['Name', group.name],
      ['Id', group.id],
      ['Description', group.description],
      ['Roles', namesOf(group.roles)],
      ['Device limit', String(group.maxDevices)],
      ['Users', group.users.map(({ email, id }) => email ?? id).join(', ') || '-'],
      ['At the provider', group.idpMapping.join(', ') || undefined],
      ['SAML default', group.isSamlDefaultGroup ? 'yes' : undefined],
      ['Built in', group.deleteable ? undefined : 'yes'],
      ['Updated at', moment(group.updatedAt)],
      ['ETag', etag],
    ]),
  );
}

const columns: readonly Column<Group>[] = [
  { heading: 'NAME', cell: (g) => g.name },
  { heading: 'USERS', cell: (g) => String(g.users.length) },
  { heading: 'ROLES', cell: (g) => namesOf(g.roles) },
  { heading: 'DEVICE LIMIT', cell: (g) => String(g.maxDevices) },
  { heading: 'ID', cell: (g) => g.id },
];
