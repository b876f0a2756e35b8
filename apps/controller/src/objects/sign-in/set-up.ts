import { bySystem } from '../../db/contexts.ts';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { Store, WriteContext } from '../../db/store.ts';
import { issueLink } from './links.ts';
import { signsIn } from './methods.ts';

/** Whether a tenant has an owner who can sign in. */
export async function hasOwnerWhoSignsIn(db: Scoped): Promise<boolean> {
  const methods = await db
    .selectFrom('sign_in_methods')
    .innerJoin('users', 'users.id', 'sign_in_methods.user_id')
    .select('sign_in_methods.kind')
    .where('users.is_owner', '=', 1)
    .where('users.status', '=', 'ACTIVE')
    .execute();
  return methods.some(signsIn);
}

/**
 * Makes a link that sets a tenant up, in place of an older one. Returns its secret, or null when the tenant has an owner who
 * can sign in. An owner without a sign-in method gets it; a tenant without an owner gets its first one.
 */
export function setUpLink(
  store: Store,
  tenant: string,
  by: WriteContext = bySystem(tenant, 'make set-up link'),
): Promise<string | null> {
  return store.write(by, async (tx) => {
    if (await hasOwnerWhoSignsIn(scoped(tx.db, tenant))) return null;
    const owner = await tx.scoped.selectFrom('users').select('id').where('is_owner', '=', 1).executeTakeFirst();
    return (await issueLink(tx, 'SET_UP', owner?.id ?? null, by.actor.name)).secret;
  });
}
