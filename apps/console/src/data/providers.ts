import type { ResponseBody } from '@sallyport/contract';
import { call } from './api.ts';
import { useRead } from './queries.ts';

/** A provider as the sign-in page shows it. */
export type SignInProvider = ResponseBody<'listSignInProviders'>[number];

/** Reads the providers that people of a tenant sign in with; `tenant`: its short name, where there are several. */
export const useProviders = (tenant: string | null, enabled = true) =>
  useRead<'listSignInProviders'>(
    'sign-in',
    `/sign-in/providers${tenant === null ? '' : `?tenant=${encodeURIComponent(tenant)}`}`,
    enabled,
  );

/** Leaves for a provider, to sign in there and come back to a page. `fresh`: the person signs in again there. */
export async function goToProvider(id: string, page: string, fresh = false): Promise<void> {
  const body = { ...pageOf(page), ...(fresh ? { fresh } : {}) };
  const { url } = await call<'beginProviderSignIn'>('POST', `/sign-in/providers/${id}/begin`, body);
  location.assign(url);
}

/** Leaves for a provider, to link the account there to the own one. */
export async function linkProvider(id: string, page: string): Promise<void> {
  const { url } = await call<'beginProviderLink'>('POST', `/tenants/me/methods/providers/${id}`, pageOf(page));
  location.assign(url);
}

/** An address that the controller would refuse is left out: the person then comes back to the first page. */
const pageOf = (page: string): { page?: string } =>
  /^\/console(\/[\w.~/-]*)?(\?[\w.~%&=+:,*-]*)?$/.test(page) && !page.includes('..') && page.length <= 1000
    ? { page }
    : {};
