import type { EgressFailure } from '../../egress/request.ts';

/** Why a provider could not be used. */
export type FailureKind =
  /** No answer, or one that makes no sense. It may pass. */
  | 'unreachable'
  /** The answer came, and was not accepted. */
  | 'refused'
  /** The person, or the provider, said no. */
  | 'denied'
  /** The provider has ended the sign-in. */
  | 'ended'
  /** Too many calls are under way. */
  | 'busy';

/** A provider could not be used. The message is for owners, without tokens and secrets. */
export class ProviderFailure extends Error {
  override readonly name = 'ProviderFailure';
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** A request to a provider failed before there was an answer. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  readonly reason: EgressFailure | 'redirect';
  readonly url: string;

  constructor(reason: EgressFailure | 'redirect', url: string) {
    super(`${url}: ${reason}`);
    this.reason = reason;
    this.url = url;
  }
}

/** Returns a failure of `openid-client`, of `jose` or of the network in words. */
export function failureOf(error: unknown, details: boolean): ProviderFailure {
  if (error instanceof ProviderFailure) return error;
  const noAnswer = causeOf(error, NoAnswer);
  if (noAnswer !== null) return new ProviderFailure('unreachable', noAnswerText(noAnswer, details));
  const { name, code = '', error: said, error_description: why, message } = error as OpenIdError;
  if (code === 'OAUTH_AUTHORIZATION_RESPONSE_ERROR')
    return new ProviderFailure('denied', `The provider answered ${quoted(said, why)}`);
  if (code === 'OAUTH_RESPONSE_BODY_ERROR')
    return new ProviderFailure(
      said === 'invalid_grant' ? 'ended' : 'refused',
      `The token endpoint answered ${quoted(said, why)}`,
    );
  const kind = transient.has(code) || Number(statusOf(error)) >= 500 ? 'unreachable' : 'refused';
  return new ProviderFailure(kind, texts[code] ?? `${name ?? 'Error'}: ${visible(String(message)).slice(0, 200)}`);
}

interface OpenIdError {
  readonly name?: string;
  readonly code?: string;
  readonly error?: string;
  readonly error_description?: string;
  readonly message?: string;
}

const transient = new Set(['OAUTH_TIMEOUT', 'OAUTH_ABORT', 'OAUTH_RESPONSE_IS_NOT_JSON', 'OAUTH_PARSE_ERROR']);

const texts: Readonly<Record<string, string>> = {
  OAUTH_TIMEOUT: 'The provider did not answer in time',
  OAUTH_RESPONSE_IS_NOT_CONFORM: 'The provider answered with an unexpected HTTP status',
  OAUTH_RESPONSE_IS_NOT_JSON: 'The provider answered with something else than JSON',
  OAUTH_PARSE_ERROR: 'The provider answered with JSON that cannot be read',
  OAUTH_INVALID_RESPONSE: 'The answer of the provider is not valid: a signature, state or field is wrong',
  OAUTH_HTTP_REQUEST_FORBIDDEN: 'The metadata of the provider names an endpoint without TLS',
  OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED:
    'The metadata names another issuer: copy the issuer from the provider exactly, also the slash at its end',
  OAUTH_JWT_CLAIM_COMPARISON_FAILED: 'The ID token is for another issuer, client or sign-in',
  OAUTH_JWT_TIMESTAMP_CHECK_FAILED:
    'The ID token is too old or not valid yet: compare the clocks of the provider and the controller',
  OAUTH_KEY_SELECTION_FAILED: 'No key of the provider fits the signature of the ID token',
  OAUTH_UNSUPPORTED_OPERATION:
    'The provider uses an algorithm that is not supported: RS256, PS256, ES256 and EdDSA are',
  OAUTH_MISSING_SERVER_METADATA: 'The metadata of the provider lacks an endpoint',
  OAUTH_INVALID_SERVER_METADATA: 'The metadata of the provider names an endpoint that is no URL',
};

function noAnswerText({ reason, url }: NoAnswer, details: boolean): string {
  const where = URL.parse(url)?.origin ?? 'the provider';
  if (reason === 'too-large') return `${where} answered with more than 512 KiB`;
  if (reason === 'redirect') return `${where} answered with a redirect: enter the address that it leads to`;
  if (!details) return `${where} cannot be reached: ${unreachableAdvice}`;
  return `${where} cannot be reached (${reason}): ${unreachableAdvice}`;
}

/** One text for all reasons: which one it is would tell about the network of the controller. */
const unreachableAdvice =
  'its name may not resolve, it may not listen or have no certificate that the controller trusts, or its address is private and SALLYPORT_EGRESS_ALLOW does not have it';

const quoted = (said: unknown, why: unknown): string =>
  `"${visible(String(said)).slice(0, 60)}"${typeof why === 'string' ? ` (${visible(why).slice(0, 200)})` : ''}`;

const visible = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ');

function causeOf<T extends Error>(error: unknown, kind: new (...args: never[]) => T): T | null {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof kind) return at;
  return null;
}

function statusOf(error: unknown): unknown {
  const { status, cause } = error as { status?: unknown; cause?: { status?: unknown } };
  return status ?? cause?.status;
}
