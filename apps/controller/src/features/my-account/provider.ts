import type { Input } from '@sallyport/contract';
import { notFound } from '../../errors.ts';
import type { ActAnswer } from '../../http/handlers.ts';
import type { SignInDeps } from '../../objects/sign-in/deps.ts';
import { beginProvider, usableProvider } from '../../objects/sign-in/provider-begin.ts';

/** Begins to link a provider of the person's own tenant to the account. The person has just signed in. */
export async function linkProvider(
  deps: SignInDeps,
  person: { readonly tenant: string; readonly id: string; readonly session: { readonly id: string } },
  id: string,
  { page }: Input<'beginProviderLink'>['body'],
): Promise<ActAnswer<'beginProviderLink'>> {
  const row = await usableProvider(deps, id);
  if (row.tenant_id !== person.tenant) throw notFound();
  const link = { user: person.id, session: person.session.id };
  return beginProvider(deps, row, { page: page ?? null, link, fresh: true });
}
