import type { Tx } from '../../db/store.ts';
import { ApiError, invalidField, notFound } from '../../errors.ts';
import type { RequestContext } from '../../http/handlers.ts';
import { findGroup } from '../../objects/groups/queries.ts';
import { recordMembers } from '../../objects/groups/tracking.ts';
import {
  deleteMembership,
  deleteMemberships,
  findUsers,
  insertMemberships,
  memberIds,
  withParts,
} from '../../objects/users/store.ts';
import { trackUsers } from '../../objects/users/tracking.ts';
import { existingParts } from './existing.ts';

/** Puts a user into a group. */
export async function joinGroup(tx: Tx, context: RequestContext, id: string, given: string): Promise<void> {
  const user = await existingParts(tx, context, id);
  const group = given.toLowerCase();
  if ((await findGroup(tx.scoped, group)) === undefined)
    throw invalidField('/groupId', 'is not the id of a group', 'invalid_reference');
  if (user.groups.includes(group)) return;
  await trackUsers(tx, [id], () => insertMemberships(tx, [{ user: id, group }]));
  await recordMembers(tx, [group], 'attach');
}

/** Takes a user out of a group; out of the last one nobody is taken. */
export async function leaveGroup(tx: Tx, context: RequestContext, id: string, group: string): Promise<void> {
  const { row, groups } = await existingParts(tx, context, id);
  if (!groups.includes(group)) throw notFound();
  if (groups.length === 1)
    throw new ApiError('last_group', `${row.email} is in no other group: put the user into another one first`);
  await trackUsers(tx, [id], () => deleteMembership(tx, id, group));
  await recordMembers(tx, [group], 'detach');
}

/** Takes everybody out of a group that goes; who is in no other comes into the group `refuge`. */
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
