import type { Input } from '@sallyport/contract';
import { encodeJson } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import type { RequestContext } from '../../http/handlers.ts';
import { removeDevicesOf } from '../../objects/devices/removal.ts';
import { recordMembers } from '../../objects/groups/tracking.ts';
import { cutFromPolicies } from '../../objects/policies/cut.ts';
import { deleteUser, type UserRow, updateUser } from '../../objects/users/store.ts';
import { auditedUsers, trackUsers } from '../../objects/users/tracking.ts';
import { existingParts, existingUser } from './existing.ts';

/** Changes the fields of a user. Absent fields keep their values; null clears them. */
export async function changeUser(
  tx: Tx,
  context: RequestContext,
  id: string,
  body: Input<'updateUser'>['body'],
): Promise<void> {
  const row = await existingUser(tx, context, id);
  const text = (given: string | null | undefined, present: string | null) =>
    given === undefined ? present : given || null;
  const values = {
    first_name: text(body.firstName, row.first_name),
    last_name: text(body.lastName, row.last_name),
    image: text(body.image, row.image),
    department: text(body.department, row.department),
    attributes: body.attributes === undefined ? row.attributes : attributesOf(body.attributes),
    max_devices: body.maxDevices === undefined ? row.max_devices : body.maxDevices,
  };
  await trackUsers(tx, [id], () => updateUser(tx, id, values));
}

/** Deactivates a user. Access ends at once; policies and devices stay for when the user is reactivated. */
export async function deactivateUser(tx: Tx, context: RequestContext, id: string): Promise<void> {
  requireOther(await existingUser(tx, context, id));
  await trackUsers(tx, [id], () => updateUser(tx, id, { status: 'DEACTIVATED' }), 'disconnect');
}

/** Reactivates a user. A user who never accepted the invitation is invited again. */
export async function reactivateUser(tx: Tx, context: RequestContext, id: string): Promise<void> {
  const row = await existingUser(tx, context, id);
  if (row.status !== 'DEACTIVATED') return;
  const status = row.last_connection === null ? 'INVITED' : 'ACTIVE';
  await trackUsers(tx, [id], () => updateUser(tx, id, { status }));
}

/** Starts the seven days of the invitation again. The audit trail shows it. */
export async function renewInvitation(tx: Tx, context: RequestContext, id: string): Promise<void> {
  const row = await existingUser(tx, context, id);
  if (row.status !== 'INVITED')
    throw new ApiError(
      'not_invited',
      `${row.email} is ${row.status}: only a user with status INVITED can be invited again`,
    );
  await trackUsers(tx, [id], () => updateUser(tx, id, { invited_at: tx.now }));
}

/** Deletes a user together with the user's devices, memberships and place in policies. */
export async function removeUser(tx: Tx, context: RequestContext, id: string): Promise<void> {
  const { row, groups } = await existingParts(tx, context, id);
  requireOther(row);
  const before = (await auditedUsers(tx, [id])).get(id) ?? null;
  tx.changed({ kind: 'user', id, op: 'delete', name: row.email, before, after: null });
  await removeDevicesOf(tx, id);
  await cutFromPolicies(tx, 'user', id);
  await recordMembers(tx, groups, 'detach');
  await deleteUser(tx, id);
}

function requireOther(row: UserRow): void {
  if (row.is_owner === 1)
    throw new ApiError('last_owner', `${row.email} is the owner of the tenant and cannot be deactivated or deleted`);
}

/** Returns attributes as JSON text with sorted keys, so that equal attributes give equal text. */
const attributesOf = (attributes: Input<'updateUser'>['body']['attributes']): string =>
  encodeJson(Object.fromEntries(Object.entries(attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))));
