import type { Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import type { ProviderRow } from '../../objects/providers/queries.ts';
import { methodsOf, signsIn } from '../../objects/sign-in/methods.ts';
import { owners } from '../../objects/users/queries.ts';

/** Refuses to end a provider while it is the only way in of an owner: then only the operator could help. */
export async function requireOwnersWayIn(tx: Tx, { id, name }: ProviderRow): Promise<void> {
  for (const owner of await owners(tx.scoped)) {
    const ways = (await methodsOf(tx.scoped, owner.id)).filter(signsIn);
    if (ways.some(({ provider_id }) => provider_id === id) && ways.every(({ provider_id }) => provider_id === id))
      throw new ApiError('last_method', `${owner.email}, who owns the tenant, signs in through ${name} only`);
  }
}
