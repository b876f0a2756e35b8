import { email as emailSchema } from '@sallyport/contract';
import type { ProviderSettings } from './store.ts';

/** What a provider says about a person. */
export interface ProviderPerson {
  /** Id of the person at the provider (claim `sub`). */
  readonly subject: string;
  readonly email: string | null;
  readonly emailVerified: boolean;
  readonly firstName: string | null;
  readonly lastName: string | null;
  /** Values of the groups claim. Null: the provider says nothing about groups. */
  readonly groups: readonly string[] | null;
  /** When the person proved a factor at the provider, epoch milliseconds. Null: the provider does not say. */
  readonly authTime: number | null;
  /** Whether the provider says that it asked for several factors (RFC 8176). */
  readonly severalFactors: boolean;
  /** Google: domain of the organisation. */
  readonly hostedDomain: string | null;
  /** Entra ID: tenant. */
  readonly entraTenant: string | null;
  /** Session of the provider. */
  readonly sid: string | null;
}

/** Claims of an ID token or of an answer of the userinfo endpoint. */
export type Claims = Readonly<Record<string, unknown>>;

/** Most values of a groups claim. A claim with more says nothing: a cut list must not take memberships away. */
const mostGroups = 1000;
const longestValue = 256;

/** Returns whether the ID token lacks claims that the userinfo endpoint may have. */
export const needsUserInfo = (settings: ProviderSettings, token: Claims): boolean =>
  token.email === undefined ||
  (settings.groupsClaim !== null && !overflows(token, settings.groupsClaim) && at(token, settings.groupsClaim) == null);

/** Reads the claims of a person. Those of the signed ID token go first; `info` fills in what it lacks. */
export function personFrom(settings: ProviderSettings, token: Claims, info: Claims = {}): ProviderPerson {
  const source = token.email === undefined ? info : token;
  const email = emailSchema.safeParse(source.email);
  return {
    subject: String(token.sub),
    email: email.success ? email.data : null,
    emailVerified: settings.trustEmail || isTrue(source.email_verified) || isTrue(source.xms_edov),
    firstName: nameOf(token.given_name ?? info.given_name),
    lastName: nameOf(token.family_name ?? info.family_name),
    groups: settings.groupsClaim === null ? null : groupsOf(settings.groupsClaim, token, info),
    authTime: typeof token.auth_time === 'number' ? token.auth_time * 1000 : null,
    severalFactors: Array.isArray(token.amr) && token.amr.includes('mfa'),
    hostedDomain: textOf(token.hd),
    entraTenant: textOf(token.tid),
    sid: textOf(token.sid),
  };
}

/** A claim that is missing, too long, or of another form says nothing. */
function groupsOf(claim: string, token: Claims, info: Claims): string[] | null {
  if (overflows(token, claim) || overflows(info, claim)) return null;
  const value = at(token, claim) ?? at(info, claim);
  const values = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(values) || values.length > mostGroups) return null;
  if (!values.every((one) => typeof one === 'string' && one.length <= longestValue)) return null;
  return [...new Set(values as string[])].filter((one) => one !== '').sort();
}

/** Entra ID leaves the groups out where there are too many, and says so (OpenID Connect Core, 5.6.2). */
function overflows(claims: Claims, claim: string): boolean {
  const elsewhere = claims._claim_names;
  const named = typeof elsewhere === 'object' && elsewhere !== null && Object.hasOwn(elsewhere, claim);
  return named || isTrue(claims.hasgroups);
}

/** The claim with this very name, else the one that the dots lead to. */
function at(claims: Claims, claim: string): unknown {
  if (Object.hasOwn(claims, claim)) return claims[claim];
  let value: unknown = claims;
  for (const step of claim.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Claims)[step];
  }
  return value;
}

/** Some providers write truth values as text or as a number. */
const isTrue = (value: unknown): boolean => value === true || value === 'true' || value === 1 || value === '1';

const textOf = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' && value.length <= longestValue ? value : null;

/** Names go where administrators read them, so invisible characters go. */
function nameOf(value: unknown): string | null {
  if (typeof value !== 'string') return null;
  const visible = value.toWellFormed().replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '');
  return visible.trim().slice(0, 120).toWellFormed() || null;
}
