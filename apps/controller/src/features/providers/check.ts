import type { ProviderCheck } from '@sallyport/contract';
import { authorizationCodeGrant, calculatePKCECodeChallenge, randomPKCECodeVerifier } from 'openid-client';
import type { ProviderClient, ProviderClients } from '../../objects/providers/clients.ts';
import { ProviderFailure } from '../../objects/providers/failure.ts';
import { type ProviderRow, settingsOf } from '../../objects/providers/queries.ts';

type Finding = ProviderCheck['findings'][number];

/** Asks a provider for its metadata and keys and tries the client secret. Says what is wrong, and what to do. */
export async function checkProvider(
  clients: ProviderClients,
  row: ProviderRow,
  uris: { readonly redirectUri?: string | undefined } | null,
  methods: readonly string[],
): Promise<ProviderCheck> {
  const findings: Finding[] = [];
  const error = (message: string) => findings.push({ severity: 'error', message });
  if (uris?.redirectUri === undefined)
    error('People cannot sign in at the address of this controller: see "sally sign-in"');
  if (!methods.includes('PROVIDER'))
    error('The sign-in settings of the tenant do not allow providers: add PROVIDER to the methods');
  try {
    const client = await clients.discovered(row);
    findings.push(...aboutMetadata(client, row));
    const redirectUri = uris?.redirectUri ?? 'https://sallyport.invalid/console/return';
    const refused = await tryCredentials(clients, client, redirectUri);
    if (refused !== null) error(refused);
    await clients.telling(() => requireKeys(client));
  } catch (failure) {
    if (!(failure instanceof ProviderFailure)) throw failure;
    error(failure.message);
  }
  return { ok: findings.every(({ severity }) => severity !== 'error'), findings };
}

function aboutMetadata({ config }: ProviderClient, row: ProviderRow): Finding[] {
  const metadata = config.serverMetadata();
  const settings = settingsOf(row);
  const warnings: string[] = [];
  const lacks = (list: readonly string[] | undefined, value: string) => list !== undefined && !list.includes(value);
  if (!metadata.supportsPKCE('S256'))
    warnings.push('It does not say that it supports PKCE with S256, which is always used');
  for (const scope of settings.scopes)
    if (lacks(metadata.scopes_supported, scope)) warnings.push(`It does not list the scope ${scope}`);
  const claim = settings.groupsClaim;
  if (claim !== null && !claim.includes('.') && lacks(metadata.claims_supported, claim))
    warnings.push(`It does not list the claim ${claim}: set up there that tokens carry it`);
  if (metadata.backchannel_logout_supported !== true)
    warnings.push('It does not say that it supports back-channel logout: sessions end when it is asked again');
  if (metadata.authorization_response_iss_parameter_supported !== true)
    warnings.push('It does not name itself in its answers (RFC 9207). The redirect URI of its own protects instead');
  return warnings.map((message) => ({ severity: 'warning', message }));
}

/** A code that is wrong gets another answer than a client that is. Returns what is wrong with the client, or null. */
async function tryCredentials(
  clients: ProviderClients,
  { config }: ProviderClient,
  redirectUri: string,
): Promise<string | null> {
  const verifier = randomPKCECodeVerifier();
  const url = new URL(redirectUri);
  url.searchParams.set('code', await calculatePKCECodeChallenge(verifier));
  url.searchParams.set('iss', config.serverMetadata().issuer);
  try {
    await clients.telling(() => authorizationCodeGrant(config, url, { pkceCodeVerifier: verifier }));
  } catch (failure) {
    if (!(failure instanceof ProviderFailure)) throw failure;
    if (/invalid_client|unauthorized_client/.test(failure.message))
      return `${failure.message}: the client id or the client secret is wrong`;
    if (failure.kind === 'unreachable') return failure.message;
  }
  return null;
}

/** A token that no key fits makes the keys be fetched. */
async function requireKeys({ keys }: ProviderClient): Promise<void> {
  try {
    await keys({ alg: 'RS256' }, { payload: '', signature: '' });
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ERR_JWKS_NO_MATCHING_KEY' || code === 'ERR_JWKS_MULTIPLE_MATCHING_KEYS') return;
    if (code?.startsWith('ERR_J')) throw new ProviderFailure('refused', 'The keys at jwks_uri cannot be read');
    throw error;
  }
}
