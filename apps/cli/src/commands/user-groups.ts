import type { Command } from 'commander';
import { kinds, resolveId } from '../resolve.ts';
import type { Session, WriteFlags } from '../session.ts';
import { clean } from '../text.ts';
import { writes } from './options.ts';

/** Adds `sally users groups …`. */
export function addUserGroups(users: Command, session: Session): void {
  const group = users.command('groups').alias('group').description('groups of users');
  const add = group
    .command('add')
    .argument('<user>', 'e-mail address or id')
    .argument('<group>', 'name or id')
    .description('add a user to a group');
  writes(add, 'addUserGroup').action(async (text: string, name: string, flags: WriteFlags) => {
    const { id, groupId } = await both(session, text, name);
    const answer = await session.write('addUserGroup', flags, { params: { id }, body: { groupId } });
    if (answer !== undefined) session.show(answer, () => `Added ${clean(text)} to ${clean(name)}.\n`);
  });
  const remove = group
    .command('remove')
    .argument('<user>', 'e-mail address or id')
    .argument('<group>', 'name or id')
    .description('remove a user from a group; a user is always in at least one');
  writes(remove, 'removeUserGroup').action(async (text: string, name: string, flags: WriteFlags) => {
    const answer = await session.write('removeUserGroup', flags, { params: await both(session, text, name) });
    if (answer !== undefined) session.show(answer, () => `Removed ${clean(text)} from ${clean(name)}.\n`);
  });
}

async function both(session: Session, user: string, group: string): Promise<{ id: string; groupId: string }> {
  const api = await session.api();
  return { id: await resolveId(api, kinds.user, user), groupId: await resolveId(api, kinds.group, group) };
}
