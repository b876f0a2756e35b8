import type { Store } from '../../db/store.ts';
import type { EgressSettings } from '../../egress/targets.ts';
import { ApiError } from '../../errors.ts';
import type { ActContext } from '../../http/handlers.ts';
import type { Mail } from '../../mail/types.ts';
import type { SecretBox } from '../../secrets/box.ts';
import { ProviderClients } from '../providers/clients.ts';
import type { ReturnSecrets } from '../providers/dialogue.ts';
import { Attempts } from './attempts.ts';
import { CliCodes } from './cli-codes.ts';
import { type Attempt, forgottenLimits, GuessLimits } from './guessing.ts';
import { PasswordHasher } from './passwords.ts';
import { type SignInPlace, signInPlace } from './place.ts';
import { ProviderChecks } from './provider-checks.ts';

/** What a person has begun and finishes with a second request. */
export type Begun =
  | { readonly kind: 'passkey sign-in'; readonly challenge: string }
  | {
      readonly kind: 'passkey by link';
      readonly challenge: string;
      readonly link: string;
      readonly user: string;
      readonly email: string;
    }
  | { readonly kind: 'passkey'; readonly challenge: string; readonly user: string }
  | { readonly kind: 'totp'; readonly secret: string; readonly user: string };

/** A sign-in through a provider, or the linking of one, that was begun. It travels sealed in a cookie. */
export interface ProviderBegun {
  readonly provider: string;
  readonly secrets: ReturnSecrets;
  /** Page of the console to come back to. */
  readonly page: string | null;
  /** Who links the provider to the own account. Null: a sign-in. */
  readonly link: { readonly user: string; readonly session: string } | null;
}

/** What signing in needs. */
export interface SignInDeps {
  readonly store: Store;
  readonly box: SecretBox;
  readonly hasher: PasswordHasher;
  readonly guesses: GuessLimits;
  /** Limits of requests for a new password. */
  readonly forgotten: GuessLimits;
  readonly mail: Mail;
  readonly attempts: Attempts<Begun>;
  readonly cliCodes: CliCodes;
  readonly providers: ProviderClients;
  readonly returns: Attempts<ProviderBegun>;
  readonly providerChecks: ProviderChecks;
  /** Path before every operation of the API, empty or like `/qa`. */
  readonly basePath: string;
  /** Address at which people reach the controller. */
  readonly signInUrl: () => string;
}

/** Builds what the features of sign-in share. What one request leaves for another is in the database. */
export function createSignIn({
  egress,
  ...given
}: Pick<SignInDeps, 'store' | 'box' | 'basePath' | 'signInUrl' | 'mail'> & {
  readonly egress: EgressSettings;
}): SignInDeps {
  const { store, box, basePath, signInUrl, mail } = given;
  const providers = new ProviderClients(egress, box, store.now);
  return {
    ...{ store, box, basePath, signInUrl, mail, providers },
    hasher: new PasswordHasher(),
    guesses: new GuessLimits(store, box),
    forgotten: new GuessLimits(store, box, forgottenLimits),
    attempts: new Attempts(store, box),
    cliCodes: new CliCodes(store),
    returns: new Attempts(store, box, 'return from provider', returnMinutes),
    providerChecks: new ProviderChecks({ store, box, providers }),
  };
}

/** How long a person has at a provider, minutes. The cookie lasts as long. */
export const returnMinutes = 10;

/** Returns where people sign in. Throws `sign_in_unavailable` where they cannot. */
export function requirePlace(deps: Pick<SignInDeps, 'signInUrl'>): SignInPlace {
  const place = signInPlace(deps.signInUrl());
  if ('reason' in place) throw new ApiError('sign_in_unavailable', place.reason);
  return place;
}

/** Finishes what was begun, as the kind that is expected. Throws `sign_in_failed` for anything else. */
export async function finishBegun<K extends Begun['kind']>(
  deps: Pick<SignInDeps, 'attempts'>,
  name: string,
  kind: K,
): Promise<Extract<Begun, { kind: K }>> {
  const begun = await deps.attempts.finish(name);
  if (begun.kind !== kind) throw new ApiError('sign_in_failed', 'This was begun as something else: begin again');
  return begun as Extract<Begun, { kind: K }>;
}

/** Who tries, for the limits against guessing. */
export const attemptOf = (account: string, { sourceIp, sourceKnown }: ActContext): Attempt => ({
  account,
  source: sourceKnown ? sourceIp : null,
});
