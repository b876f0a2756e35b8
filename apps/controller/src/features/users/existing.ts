import type { Tx } from '../../db/store.ts';
import { notFound } from '../../errors.ts';
import { type RequestContext, requireVersion } from '../../http/handlers.ts';
import { findUser, type UserParts, type UserRow, withParts } from '../../objects/users/store.ts';

/** Returns the user of a request. Throws when it is unknown or has another version than the caller read. */
export async function existingUser(tx: Tx, context: RequestContext, id: string): Promise<UserRow> {
  const row = await findUser(tx.scoped, id);
  if (row === undefined) throw notFound();
  requireVersion(context, row.version);
  return row;
}

/** Returns the same user with its groups and roles. */
export async function existingParts(tx: Tx, context: RequestContext, id: string): Promise<UserParts> {
  const row = await existingUser(tx, context, id);
  const [user = { row, groups: [], roles: [] }] = await withParts(tx.scoped, [row]);
  return user;
}
