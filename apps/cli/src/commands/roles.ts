import type { Command } from 'commander';
import { kinds, resolveId } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean } from '../text.ts';
import { writes } from './options.ts';
import { roleColumns, userColumns } from './user-view.ts';

/** Adds `sally roles …`. */
export function addRoles(program: Command, session: Session): void {
  const group = program
    .command('roles')
    .alias('role')
    .description('what administrators can manage; roles are built in');
  group
    .command('list')
    .description('list roles')
    .action(async () => {
      const answer = await (await session.api()).call('listRoles');
      session.show(answer, (roles) => session.table(roleColumns, roles));
    });
  group
    .command('get')
    .argument('<role>', 'name or id')
    .description('show a role')
    .action(async (text: string) => {
      const api = await session.api();
      const id = await resolveId(api, kinds.role, text);
      session.show(await api.call('getRole', { params: { id } }), (role) => session.table(roleColumns, [role]));
    });
  group
    .command('users')
    .argument('<role>', 'name or id')
    .description('list the users who have a role')
    .option('--groups', 'include users who have the role through a group')
    .action(async (text: string, flags: { groups?: boolean }) => {
      const api = await session.api();
      const id = await resolveId(api, kinds.role, text);
      const query = flags.groups === true ? { groups: 'true' } : {};
      session.show(await api.call('listRoleUsers', { params: { id }, query }), (users) =>
        users.length === 0 ? 'No user has this role.\n' : session.table(userColumns, users),
      );
    });
  const remove = group
    .command('remove')
    .argument('<role>', 'name or id')
    .argument('<user>', 'e-mail address or id')
    .description('remove a role from a user');
  writes(remove, 'removeUserRole').action(async (role: string, user: string, flags: WriteFlags) => {
    const api = await session.api();
    const id = await resolveId(api, kinds.role, role);
    const userId = await resolveId(api, kinds.user, user);
    const answer = await session.write('removeUserRole', flags, { params: { id, userId } });
    if (answer !== undefined) session.show(answer, () => `Removed ${clean(role)} from ${clean(user)}.\n`);
  });
}
