import { bySystem } from '../../db/contexts.ts';
import { type Scoped, scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import type { SecretBox } from '../../secrets/box.ts';
import { issueLink, openSecret, secretText } from './links.ts';
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

/** What makes the secrets of set-up links, and whether another controller that runs may have told one. */
export interface SetUpParts {
  readonly box: Pick<SecretBox, 'keyedHash'>;
  readonly others: boolean;
}

/**
 * Makes a link that sets a tenant up, in place of an older one. Returns its secret, or null when the tenant has an owner who
 * can sign in. An owner without a sign-in method gets it; a tenant without an owner gets its first one. The secret follows
 * from the id of the link, so that controllers that start beside others tell the same link.
 */
export function setUpLink(store: Store, tenant: string, { box, others }: SetUpParts): Promise<string | null> {
  const by = bySystem(tenant, 'make set-up link');
  const secretOf = (id: string) => secretText(Buffer.from(box.keyedHash(`set-up link ${id}`), 'hex'));
  return store.write(by, async (tx) => {
    if (await hasOwnerWhoSignsIn(scoped(tx.db, tenant))) return null;
    const told = others ? await openSecret(tx, 'SET_UP', secretOf) : null;
    if (told !== null) return told;
    const owner = await tx.scoped.selectFrom('users').select('id').where('is_owner', '=', 1).executeTakeFirst();
    return (await issueLink(tx, 'SET_UP', owner?.id ?? null, by.actor.name, secretOf)).secret;
  });
}
