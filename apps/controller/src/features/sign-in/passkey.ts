import type { Input } from '@sallyport/contract';
import { scoped, unscoped } from '../../db/scoped.ts';
import { ApiError } from '../../errors.ts';
import type { ActAnswer, ActContext } from '../../http/handlers.ts';
import { finishBegun, requirePlace, type SignInDeps } from '../../objects/sign-in/deps.ts';
import { useMethod } from '../../objects/sign-in/methods.ts';
import { signInOptions, verifySignIn } from '../../objects/sign-in/passkeys.ts';
import { requireMethod, settingsRow, signInSettings } from '../../objects/sign-in/settings.ts';
import { findUser } from '../../objects/users/queries.ts';
import { type Entered, enter } from './person.ts';

/** Begins a sign-in with any passkey. */
export async function passkeyOptions(deps: SignInDeps): Promise<ActAnswer<'getPasskeySignInOptions'>> {
  const { options, challenge } = await signInOptions(requirePlace(deps));
  return { body: { attempt: deps.attempts.begin({ kind: 'passkey sign-in', challenge }), options } };
}

/** Signs in with a passkey. It is found by its credential id, so no account and no tenant are asked for. */
export async function signInWithPasskey(
  deps: SignInDeps,
  context: ActContext,
  { attempt, credential }: Input<'signInWithPasskey'>['body'],
): Promise<Entered> {
  const place = requirePlace(deps);
  const { store } = deps;
  const { challenge } = await finishBegun(deps, attempt, 'passkey sign-in');
  const method = await unscoped(store.db, 'the passkey tells its user and tenant')
    .selectFrom('sign_in_methods')
    .selectAll()
    .where('credential_id', '=', credential.id)
    .executeTakeFirst();
  if (method === undefined)
    throw new ApiError('sign_in_failed', 'The passkey is not known here: it may have been removed');
  const data = await verifySignIn(place, challenge, credential, method);
  const db = scoped(store.db, method.tenant_id);
  requireMethod(signInSettings(await settingsRow(db)), 'PASSKEY');
  const user = await findUser(db, method.user_id);
  if (user === undefined) throw new ApiError('sign_in_failed', 'The account cannot sign in');
  return enter(deps, context, {
    user,
    method: 'PASSKEY',
    within: async (tx) => {
      const { numUpdatedRows } = await tx.scoped
        .updateTable('sign_in_methods')
        .set({ last_used_at: tx.now })
        .where('id', '=', method.id)
        .executeTakeFirstOrThrow();
      if (numUpdatedRows === 0n) throw new ApiError('sign_in_failed', 'The passkey was removed');
      await useMethod(tx, method, 'PASSKEY', data);
    },
  });
}
