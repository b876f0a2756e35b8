import type { Actor, Store } from '../../db/store.ts';
import { ApiError, notFound } from '../../errors.ts';
import type { Mail } from '../../mail/types.ts';
import { issueLink } from '../../objects/sign-in/links.ts';
import { removeMethods } from '../../objects/sign-in/methods.ts';
import { endSessionsOf } from '../../objects/sign-in/sessions.ts';
import { listTenants } from '../../objects/tenants/queries.ts';
import { userByEmail } from '../../objects/users/queries.ts';

/**
 * Resets the sign-in of a user, an owner too, and makes a link for a new method: for people who have lost every way in.
 * The user is told by mail where the controller sends mail.
 * Only the operator may. A tenant without that user gets `not_found`.
 */
export async function operatorLink(
  { store, mail }: { readonly store: Store; readonly mail: Mail },
  operator: Actor,
  tenant: string,
  email: string,
) {
  if (!(await listTenants(store)).some(({ id }) => id === tenant)) throw notFound();
  const by = { tenant, actor: operator, action: 'make sign-in link', sourceIp: null, requestId: null };
  return store.write(by, async (tx) => {
    const user = await userByEmail(tx.scoped, email);
    if (user === undefined) throw new ApiError('not_found', `The tenant has no user ${email}`);
    if (user.status === 'DEACTIVATED')
      throw new ApiError('not_active', `${user.email} is deactivated: reactivate the user first`);
    await removeMethods(tx, user.id);
    await endSessionsOf(tx, user.id);
    const after = { name: user.email, link: 'OPERATOR' };
    tx.changed({ kind: 'user', id: user.id, op: 'update', name: user.email, before: null, after, auditOnly: true });
    await mail.outbox.notify(tx, user.id, 'RESET');
    return issueLink(tx, 'OPERATOR', user.id, operator.name);
  });
}
