import { scoped } from '../../db/scoped.ts';
import { ApiError, notFound } from '../../errors.ts';
import type { BegunCookie } from '../../http/handlers.ts';
import { beginAt } from '../providers/dialogue.ts';
import { ProviderFailure } from '../providers/failure.ts';
import { type ProviderRow, providerAnywhere } from '../providers/queries.ts';
import { type ProviderBegun, requirePlace, returnMinutes, type SignInDeps } from './deps.ts';
import type { SignInPlace } from './place.ts';
import { requireMethod, settingsRow, signInSettings } from './settings.ts';

/** Redirect URI of a provider. Each has its own, so that the answer of one cannot pass for that of another. */
export const redirectUri = ({ url }: SignInPlace, provider: string): string => `${url}/console/return/${provider}`;

/** Returns a provider that people can sign in with now. Throws `not_found` and `method_not_allowed_here`. */
export async function usableProvider({ store }: Pick<SignInDeps, 'store'>, id: string): Promise<ProviderRow> {
  const row = await providerAnywhere(store, id);
  if (row === undefined || row.enabled !== 1) throw notFound();
  requireMethod(signInSettings(await settingsRow(scoped(store.db, row.tenant_id))), 'PROVIDER');
  return row;
}

/** Begins a sign-in or the linking of a provider: where the browser goes, and what binds the return to it. */
export async function beginProvider(
  deps: SignInDeps,
  row: ProviderRow,
  { page, link, fresh }: Pick<ProviderBegun, 'page' | 'link'> & { readonly fresh: boolean },
): Promise<{ readonly body: { readonly url: string }; readonly begun: BegunCookie }> {
  const place = requirePlace(deps);
  try {
    const { url, secrets } = await beginAt(deps.providers, row, redirectUri(place, row.id), fresh);
    const sealed = deps.returns.begin({ provider: row.id, secrets, page, link });
    return { body: { url }, begun: { sealed, maxAgeSeconds: returnMinutes * 60 } };
  } catch (error) {
    throw tellFailure(error, row, 'provider_failed');
  }
}

/** Returns a failure of a provider as a problem; `refused`: what it is when the provider answered. */
export function tellFailure(
  error: unknown,
  { name }: Pick<ProviderRow, 'name'>,
  refused: 'sign_in_failed' | 'provider_failed' = 'sign_in_failed',
): unknown {
  if (!(error instanceof ProviderFailure)) return error;
  const { kind, message } = error;
  if (kind === 'busy') return new ApiError('rate_limited', message, [], 2);
  if (kind === 'unreachable') return new ApiError('provider_failed', `${name}: ${message}`);
  return new ApiError(refused, `${name}: ${message}`);
}
