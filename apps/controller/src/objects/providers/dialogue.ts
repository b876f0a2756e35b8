import { createHash } from 'node:crypto';
import { jwtVerify } from 'jose';
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  fetchUserInfo,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  refreshTokenGrant,
} from 'openid-client';
import { type Claims, needsUserInfo, type ProviderPerson, personFrom } from './claims.ts';
import { clockToleranceSeconds, type ProviderClient, type ProviderClients } from './clients.ts';
import { ProviderFailure } from './failure.ts';
import { type ProviderRow, settingsOf } from './store.ts';

/** Secrets of one sign-in that the return must fit. */
export interface ReturnSecrets {
  readonly state: string;
  readonly nonce: string;
  /** Code verifier of PKCE (RFC 7636). */
  readonly verifier: string;
  /** The person had to sign in again at the provider. */
  readonly fresh: boolean;
}

/** What a provider confirmed. */
export interface Confirmed {
  readonly person: ProviderPerson;
  /** Null: the provider gives none, so the sign-in cannot be confirmed again. */
  readonly refreshToken: string | null;
}

/** A logout token that the provider has signed (OpenID Connect Back-Channel Logout 1.0). */
export interface Logout {
  readonly subject: string | null;
  readonly sid: string | null;
  /** SHA-256 of the claim `jti`. */
  readonly tokenHash: string;
  /** Epoch milliseconds. */
  readonly issuedAt: number;
}

/** How old a sign-in at the provider may be that has to be fresh, seconds. */
const freshSeconds = 10 * 60;
/** How old a logout token may be, seconds. Providers send them at once. */
export const logoutSeconds = 5 * 60;
const refreshTokenMost = 8000;

/** Begins a sign-in: the authorization URL, and the secrets to check the return with. */
export async function beginAt(
  clients: ProviderClients,
  row: ProviderRow,
  redirectUri: string,
  fresh: boolean,
): Promise<{ readonly url: string; readonly secrets: ReturnSecrets }> {
  const { config } = await clients.of(row);
  const secrets = { state: randomState(), nonce: randomNonce(), verifier: randomPKCECodeVerifier(), fresh };
  const { scopes, hostedDomains, requireAuthTime } = settingsOf(row);
  const [hd] = hostedDomains;
  const url = buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: [...new Set(['openid', ...scopes])].join(' '),
    state: secrets.state,
    nonce: secrets.nonce,
    code_challenge: await calculatePKCECodeChallenge(secrets.verifier),
    code_challenge_method: 'S256',
    ...(fresh ? { prompt: 'login' } : {}),
    ...(fresh && requireAuthTime ? { max_age: String(freshSeconds) } : {}),
    ...(hd !== undefined && hostedDomains.length === 1 ? { hd } : {}),
  });
  return { url: url.href, secrets };
}

/** Exchanges what the provider sent the browser back with. Throws ProviderFailure. */
export function finishAt(
  clients: ProviderClients,
  row: ProviderRow,
  redirectUri: string,
  answer: string,
  { state, nonce, verifier, fresh }: ReturnSecrets,
): Promise<Confirmed> {
  return clients.telling(async () => {
    const client = await clients.of(row);
    const url = new URL(redirectUri);
    url.search = answer;
    const tokens = await authorizationCodeGrant(client.config, url, {
      ...{ expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true },
      ...(fresh && settingsOf(row).requireAuthTime ? { maxAge: freshSeconds } : {}),
    });
    return confirmed(client, row, tokens.access_token, tokens.claims(), tokens.refresh_token);
  });
}

/** Asks the provider whether a sign-in still holds. Throws ProviderFailure; the kind `ended` is a no. */
export function confirmAgain(
  clients: ProviderClients,
  row: ProviderRow,
  refreshToken: string,
  subject: string,
): Promise<Confirmed> {
  return clients.telling(async () => {
    const client = await clients.of(row);
    const tokens = await refreshTokenGrant(client.config, refreshToken);
    const claims = tokens.claims();
    if (claims !== undefined && claims.sub !== subject)
      throw new ProviderFailure('ended', 'The provider confirmed another person');
    const next = tokens.refresh_token ?? refreshToken;
    return confirmed(client, row, tokens.access_token, claims ?? { sub: subject }, next);
  });
}

async function confirmed(
  { config }: ProviderClient,
  row: ProviderRow,
  accessToken: string,
  claims: Claims | undefined,
  refreshToken: string | undefined,
): Promise<Confirmed> {
  if (claims === undefined) throw new ProviderFailure('refused', 'The provider gave no ID token');
  const settings = settingsOf(row);
  const subject = String(claims.sub);
  if (subject.length > 255) throw new ProviderFailure('refused', 'The claim sub is longer than 255 characters');
  const asks = needsUserInfo(settings, claims) && config.serverMetadata().userinfo_endpoint !== undefined;
  const info = asks ? await fetchUserInfo(config, accessToken, subject) : {};
  const usable = refreshToken !== undefined && refreshToken.length <= refreshTokenMost;
  return { person: personFrom(settings, claims, info), refreshToken: usable ? refreshToken : null };
}

/** Checks a logout token. Throws ProviderFailure. */
export function readLogout(clients: ProviderClients, row: ProviderRow, token: string): Promise<Logout> {
  return clients.telling(async () => {
    const { config, keys } = await clients.of(row);
    const { payload } = await jwtVerify(token, keys, {
      issuer: config.serverMetadata().issuer,
      audience: row.client_id,
      clockTolerance: clockToleranceSeconds,
      maxTokenAge: logoutSeconds,
    });
    const { sub, sid, jti, iat, events, nonce } = payload;
    const known = typeof events === 'object' && events !== null && Object.hasOwn(events, logoutEvent);
    if (!known || nonce !== undefined || typeof jti !== 'string' || typeof iat !== 'number')
      throw new ProviderFailure('refused', 'The token is no logout token: events, nonce, jti or iat is wrong');
    if (typeof sub !== 'string' && typeof sid !== 'string')
      throw new ProviderFailure('refused', 'The logout token names neither a person nor a session');
    return {
      subject: typeof sub === 'string' ? sub : null,
      sid: typeof sid === 'string' ? sid : null,
      tokenHash: createHash('sha256').update(jti).digest('hex'),
      issuedAt: iat * 1000,
    };
  });
}

const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout';
