import type { Input, Role } from '@sallyport/contract';
import type { Tx } from '../../db/store.ts';
import { ApiError, notFound } from '../../errors.ts';
import { FieldErrors } from '../../field-errors.ts';
import { may, type RequestContext } from '../../http/handlers.ts';
import { checkGivenRoles, existingRole, rolesById } from '../../objects/roles/queries.ts';
import { replaceUserRoles, type UserRow } from '../../objects/users/store.ts';
import { trackUsers } from '../../objects/users/tracking.ts';
import { isOwnRole } from '../../objects/users/views.ts';
import { existingParts } from './existing.ts';

/** Adds roles to a user and removes others. Roles that are already added or removed stay so. */
export async function changeRoles(
  tx: Tx,
  context: RequestContext,
  id: string,
  body: Input<'updateUserRoles'>['body'],
): Promise<void> {
  const user = await existingParts(tx, context, id);
  requireOwn(context, user.row);
  const known = await rolesById(tx.scoped);
  const errors = new FieldErrors();
  const added = checkGivenRoles(known, body.addedRoles, '/addedRoles', errors);
  const removed = body.removedRoles.map((role) => role.toLowerCase());
  checkTaken(known, removed, added, errors);
  errors.check();
  if (removed.some((role) => known.get(role)?.type === 'OWNER')) requireOther(user.row);
  const roles = new Set([...user.roles, ...added]);
  for (const role of removed) roles.delete(role);
  await trackUsers(tx, [id], () => replaceUserRoles(tx, id, [...roles]));
}

/** Removes a role that is set on a user. A role that a group gives ends with the membership. */
export async function takeRole(tx: Tx, context: RequestContext, id: string, roleId: string): Promise<void> {
  const role = await existingRole(tx.scoped, roleId);
  const user = await existingParts(tx, context, id);
  if (isOwnRole(user.row, role.type)) throw new ApiError('last_owner', ownerStays);
  requireOwn(context, user.row);
  if (!user.roles.includes(roleId)) throw notFound();
  await trackUsers(tx, [id], () =>
    replaceUserRoles(
      tx,
      id,
      user.roles.filter((other) => other !== roleId),
    ),
  );
}

function checkTaken(
  known: ReadonlyMap<string, Role>,
  removed: readonly string[],
  added: readonly string[],
  errors: FieldErrors,
): void {
  for (const [i, role] of removed.entries()) {
    if (!known.has(role)) errors.add(`/removedRoles/${i}`, 'is not the id of a role', 'invalid_reference');
    else if (added.includes(role))
      errors.add(`/removedRoles/${i}`, 'is added by the same request: remove it from one of the lists');
  }
}

/** Refuses changes to the roles of the owner by callers without the right "own". */
function requireOwn(context: RequestContext, row: UserRow): void {
  if (row.is_owner === 1 && !may(context, 'own'))
    throw new ApiError('forbidden', `The role ${context.caller.role} lacks the right "own"`);
}

function requireOther(row: UserRow): void {
  if (row.is_owner === 1) throw new ApiError('last_owner', ownerStays);
}

const ownerStays = 'The role OWNER cannot be taken from the owner of the tenant';
