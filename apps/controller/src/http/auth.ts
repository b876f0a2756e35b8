import type { Operation } from '@sallyport/contract';
import type { FastifyRequest } from 'fastify';
import type { Tx } from '../db/store.ts';
import { ApiError } from '../errors.ts';
import type { Caller } from './handlers.ts';

/** Finds the caller that an API key belongs to. */
export interface KeyAuthenticator {
  /** Returns null when the key is unknown or has expired. */
  authenticate(key: string): Promise<Caller | null>;
  /**
   * Returns the caller that a key belonged to when it was looked up last; null when that is not known. For writes, which
   * look it up again under the lock of the tenant, so that it takes no answer of its own.
   */
  guess(key: string): Caller | null;
  /** Looks up under the lock of a write whether a guess is right. */
  confirm(tx: Tx, guess: Caller): Promise<boolean>;
}

/** Finds the caller that a session token belongs to. */
export interface SessionAuthenticator {
  /** Returns null when the session is unknown or has ended. `renew`: whether the request counts as activity. */
  bySession(token: string, renew: boolean): Promise<Caller | null>;
}

/** What the authentication of requests needs. */
export interface AuthDeps {
  readonly keys: KeyAuthenticator;
  readonly sessions: SessionAuthenticator;
  /** Origin of the console's pages, the only one for which the cookie counts; null when people cannot sign in here. */
  readonly origin: () => string | null;
  readonly now: () => number;
}

/** `__Host-`: the browser takes it over TLS or from localhost only, for this host alone (RFC 6265bis, 4.1.3.2). */
export const sessionCookie = '__Host-sallyport';

/** Binds the return from a provider to the browser that began the sign-in. It grants nothing by itself. */
export const returnCookie = '__Host-sallyport-return';

/**
 * Returns the caller of an operation; null for a public operation without a session. Throws when the caller has no
 * right to it.
 */
export async function authorise(deps: AuthDeps, request: FastifyRequest, operation: Operation): Promise<Caller | null> {
  const renew = operation.stream === undefined && operation.quiet === undefined;
  if (operation.right === null) {
    requireSameSite(deps, request);
    // A new sign-in ends the session that the browser had.
    const token = cookieOf(request);
    return token === null ? null : deps.sessions.bySession(token, false);
  }
  const caller = await callerOf(deps, request, renew);
  if (caller === null) throw new ApiError('unauthenticated');
  if (!caller.rights.includes(operation.right)) throw new ApiError('forbidden', refusal(caller, operation.right));
  if (operation.fresh && caller.session !== null && caller.session.freshUntil <= deps.now())
    throw new ApiError('fresh_sign_in_required');
  return caller;
}

/**
 * Guesses the caller of a write. The write must confirm the guess. Returns null when the key is not known here, or when the
 * caller would lack the right: then the key must be looked up first.
 */
export function guessCaller({ keys }: AuthDeps, request: FastifyRequest, { right }: Operation): Caller | null {
  const { apikey } = request.headers;
  const guess = typeof apikey === 'string' ? keys.guess(apikey) : null;
  return guess !== null && right !== null && guess.rights.includes(right) ? guess : null;
}

const refusal = ({ role, session }: Caller, right: string): string =>
  right === 'self' && session === null
    ? 'An API key belongs to no person: sign in for this'
    : `The role ${role} lacks the right "${right}"`;

/** A request with an API key ignores cookies. A session token in a header needs no origin: no browser adds one by itself. */
async function callerOf(deps: AuthDeps, request: FastifyRequest, renew: boolean): Promise<Caller | null> {
  const { apikey, authorization } = request.headers;
  if (apikey !== undefined) return typeof apikey === 'string' ? deps.keys.authenticate(apikey) : null;
  const bearer = /^Bearer ([\w-]{1,100})$/i.exec(authorization ?? '')?.[1];
  if (bearer !== undefined) return deps.sessions.bySession(bearer, renew);
  const token = cookieOf(request);
  if (token === null) return null;
  requireSameOrigin(deps, request);
  return deps.sessions.bySession(token, renew);
}

/** Returns the value of a cookie of the request, or null. Without a name: the session token. */
export function cookieOf(request: FastifyRequest, name = sessionCookie): string | null {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return null;
}

/** Every request with the cookie must come from a page of ours: also GET, and streams. */
function requireSameOrigin(deps: AuthDeps, request: FastifyRequest): void {
  const { origin, 'sec-fetch-site': site } = request.headers;
  if (site === 'same-origin' || (site === undefined && origin !== undefined && origin === deps.origin())) return;
  throw new ApiError('cross_site');
}

/** Refuses sign-ins from a page of another site. Programs other than browsers send neither header. */
function requireSameSite(deps: AuthDeps, request: FastifyRequest): void {
  const { origin, 'sec-fetch-site': site } = request.headers;
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw new ApiError('cross_site');
  if (site === undefined && origin !== undefined && origin !== deps.origin()) throw new ApiError('cross_site');
}
