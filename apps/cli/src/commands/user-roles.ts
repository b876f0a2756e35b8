import type { Command } from 'commander';
import { usage } from '../failure.ts';
import { kinds, resolveId, resolveIds } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean } from '../text.ts';
import { given, writes } from './options.ts';
import { roleColumns } from './user-view.ts';

interface ListFlags {
  readonly own?: boolean;
  readonly inherited?: boolean;
}

/** Adds `sally users roles …`. */
export function addUserRoles(users: Command, session: Session): void {
  const group = users.command('roles').alias('role').description('roles of users');
  group
    .command('list')
    .argument('<user>', 'e-mail address or id')
    .description('list the roles of a user, including roles from groups')
    .option('--own', 'only roles given to the user')
    .option('--inherited', 'only roles that come from groups')
    .action(async (text: string, flags: ListFlags) => {
      if (flags.own === true && flags.inherited === true) throw usage('--own and --inherited cannot be combined');
      const api = await session.api();
      const id = await resolveId(api, kinds.user, text);
      const query = given({
        rolesOnly: flags.own === true ? 'true' : undefined,
        groupsOnly: flags.inherited === true ? 'true' : undefined,
      });
      session.show(await api.call('listUserRoles', { params: { id }, query }), (roles) =>
        roles.length === 0 ? 'The user has no roles.\n' : session.table(roleColumns, roles),
      );
    });
  for (const verb of ['add', 'remove'] as const) {
    const command = group
      .command(verb)
      .argument('<user>', 'e-mail address or id')
      .argument('<roles...>', 'names or ids')
      .description(verb === 'add' ? 'give roles to a user' : 'remove roles from a user');
    writes(command, 'updateUserRoles').action(async (text: string, names: string[], flags: WriteFlags) => {
      const api = await session.api();
      const id = await resolveId(api, kinds.user, text);
      const roles = await resolveIds(api, kinds.role, names);
      const body = verb === 'add' ? { addedRoles: roles, removedRoles: [] } : { addedRoles: [], removedRoles: roles };
      const answer = await session.write('updateUserRoles', flags, { params: { id }, body });
      const said = `${clean(text)} ${verb === 'add' ? 'has now' : 'has no longer'} ${names.map(clean).join(', ')}.\n`;
      if (answer !== undefined) session.show(answer, () => said);
    });
  }
}
