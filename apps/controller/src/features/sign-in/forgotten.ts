import type { Input } from '@sallyport/contract';
import { ApiError } from '../../errors.ts';
import type { ActContext } from '../../http/handlers.ts';
import { findTenant } from '../../objects/sign-in/account.ts';
import { attemptOf, requirePlace, type SignInDeps } from '../../objects/sign-in/deps.ts';
import { askForPassword } from '../../objects/sign-in/forgotten.ts';
import { emailKey } from '../../objects/users/email-key.ts';

/** Takes the request of a person who has forgotten the password. Nothing in it depends on whether the account exists. */
export async function forgotPassword(
  deps: SignInDeps,
  context: ActContext,
  { tenant, email }: Input<'forgotPassword'>['body'],
): Promise<{ body: undefined }> {
  requirePlace(deps);
  if (!deps.mail.outbox.enabled) throw new ApiError('mail_off', 'Ask an administrator for a link to sign in');
  // One account has one limit, with and without the short name.
  const attempt = attemptOf(`${(await findTenant(deps.store, tenant)) ?? tenant ?? ''} ${emailKey(email)}`, context);
  await deps.forgotten.count(attempt);
  await askForPassword(deps, { tenant, email });
  deps.mail.wake();
  return { body: undefined };
}
