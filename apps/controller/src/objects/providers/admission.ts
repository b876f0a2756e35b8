import type { ProviderPerson } from './claims.ts';
import { type ProviderRow, type ProviderSettings, settingsOf } from './store.ts';

/** The claim that tells organisations apart, for issuers that serve all of them. Null: the issuer serves one. */
export function sharedIssuer(issuer: string): 'hostedDomains' | 'entraTenants' | null {
  const { hostname, pathname } = new URL(issuer);
  if (hostname === 'accounts.google.com') return 'hostedDomains';
  if (!/^login\.(microsoftonline\.(com|us)|partner\.microsoftonline\.cn)$/.test(hostname)) return null;
  return /^\/(common|organizations|consumers)(\/|$)/i.test(pathname) ? 'entraTenants' : null;
}

/** Returns why a person may not sign in through a provider, or null. */
export function refusalOf(row: ProviderRow, person: ProviderPerson): string | null {
  const settings = settingsOf(row);
  if (!admits(settings.hostedDomains, person.hostedDomain))
    return 'The account belongs to another organisation (claim hd) than the provider admits';
  if (!admits(settings.entraTenants, person.entraTenant))
    return 'The account belongs to another organisation (claim tid) than the provider admits';
  if (!fitsDomains(settings, person))
    return `The account has no verified e-mail address in ${settings.emailDomains.join(', ')}`;
  const { requiredGroup } = settings;
  if (requiredGroup !== null && !(person.groups ?? []).includes(requiredGroup))
    return 'The account is not in the group that the provider requires';
  return null;
}

/** Returns the same for claims of a later check. Claims that it lacks change nothing. */
export function laterRefusalOf(row: ProviderRow, person: ProviderPerson): string | null {
  const settings = settingsOf(row);
  if (person.hostedDomain !== null && !admits(settings.hostedDomains, person.hostedDomain))
    return 'another organisation (claim hd)';
  if (person.entraTenant !== null && !admits(settings.entraTenants, person.entraTenant))
    return 'another organisation (claim tid)';
  if (person.email !== null && person.emailVerified && !fitsDomains(settings, person)) return 'another e-mail domain';
  const { requiredGroup } = settings;
  if (requiredGroup !== null && person.groups !== null && !person.groups.includes(requiredGroup))
    return 'no longer in the required group';
  return null;
}

const admits = (allowed: readonly string[], value: string | null): boolean =>
  allowed.length === 0 || (value !== null && allowed.some((one) => one.toLowerCase() === value.toLowerCase()));

const fitsDomains = ({ emailDomains }: ProviderSettings, { email, emailVerified }: ProviderPerson): boolean =>
  emailDomains.length === 0 || (emailVerified && admits(emailDomains, email?.split('@').at(-1) ?? null));
