import type { Tx } from '../../db/store.ts';
import { recordMembers } from '../groups/tracking.ts';
import { deleteMemberships, findUsers, insertMemberships, memberIds, withParts } from './store.ts';
import { trackUsers } from './tracking.ts';

/** Empties a group before it is deleted. Members without another group move to the group `refuge`. */
export async function emptyGroup(tx: Tx, group: string, refuge: string): Promise<void> {
  const members = await memberIds(tx.scoped, group);
  const users = await withParts(tx.scoped, await findUsers(tx.scoped, members));
  const left = users.filter(({ groups }) => groups.length === 1).map(({ row }) => ({ user: row.id, group: refuge }));
  await trackUsers(tx, members, async () => {
    await deleteMemberships(tx, group);
    await insertMemberships(tx, left);
  });
  if (left.length > 0) await recordMembers(tx, [refuge], 'attach');
}
