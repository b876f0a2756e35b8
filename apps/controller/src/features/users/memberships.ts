import type { Tx } from '../../db/store.ts';
import { ApiError, invalidField, notFound } from '../../errors.ts';
import type { RequestContext } from '../../http/handlers.ts';
import { findGroup } from '../../objects/groups/queries.ts';
import { recordMembers } from '../../objects/groups/tracking.ts';
import { deleteMembership, insertMemberships, keepMembership } from '../../objects/users/store.ts';
import { trackUsers } from '../../objects/users/tracking.ts';
import { existingParts } from './existing.ts';

/** Puts a user into a group. */
export async function joinGroup(tx: Tx, context: RequestContext, id: string, given: string): Promise<void> {
  const user = await existingParts(tx, context, id);
  const group = given.toLowerCase();
  if ((await findGroup(tx.scoped, group)) === undefined)
    throw invalidField('/groupId', 'is not the id of a group', 'invalid_reference');
  if (user.groups.includes(group)) return keepMembership(tx, id, group);
  await trackUsers(tx, [id], () => insertMemberships(tx, [{ user: id, group }]));
  await recordMembers(tx, [group], 'attach');
}

/** Removes a user from a group. Throws `last_group` when the user is in no other. */
export async function leaveGroup(tx: Tx, context: RequestContext, id: string, group: string): Promise<void> {
  const { row, groups } = await existingParts(tx, context, id);
  if (!groups.includes(group)) throw notFound();
  if (groups.length === 1)
    throw new ApiError('last_group', `${row.email} is in no other group: add the user to another group first`);
  await trackUsers(tx, [id], () => deleteMembership(tx, id, group));
  await recordMembers(tx, [group], 'detach');
}
