import type { Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import type { RequestContext } from '../../http/handlers.ts';
import { rolesById } from '../../objects/roles/queries.ts';
import { removeLinks } from '../../objects/sign-in/links.ts';
import { methodsOf, signsIn } from '../../objects/sign-in/methods.ts';
import { settingsRow, signInSettings } from '../../objects/sign-in/settings.ts';
import { replaceUserRoles, updateUser, withParts } from '../../objects/users/store.ts';
import { trackUsers } from '../../objects/users/tracking.ts';
import { existingUser } from './existing.ts';

/** Makes a user the owner of the tenant. The present owner becomes an administrator. Repeating it changes nothing. */
export async function transferOwnership(tx: Tx, context: RequestContext, id: string): Promise<void> {
  const next = await existingUser(tx, context, id);
  if (next.is_owner === 1) return;
  if (next.status !== 'ACTIVE') throw new ApiError('not_active', `${next.email} is ${next.status}`);
  const allowed: readonly string[] = signInSettings(await settingsRow(tx.scoped)).methods;
  const methods = await methodsOf(tx.scoped, id);
  if (!methods.some((method) => signsIn(method) && allowed.includes(method.kind)))
    throw new ApiError('not_active', `${next.email} cannot sign in: a sign-in method is missing`);
  const owners = await tx.scoped.selectFrom('users').selectAll().where('is_owner', '=', 1).execute();
  const admin = [...(await rolesById(tx.scoped)).values()].find(({ type }) => type === 'ADMIN');
  if (admin === undefined) throw new Error('the built-in role ADMIN is missing');
  await trackUsers(tx, [id, ...owners.map((owner) => owner.id)], async () => {
    for (const { row, roles } of await withParts(tx.scoped, owners)) {
      await updateUser(tx, row.id, { is_owner: 0 });
      await replaceUserRoles(tx, row.id, [...new Set([...roles, admin.id])]);
    }
    await updateUser(tx, id, { is_owner: 1 });
  });
  // A link that an administrator made earlier must not reset the new owner.
  await removeLinks(tx, id);
}
