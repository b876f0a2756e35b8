import type { Store } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import type { ActContext } from '../../http/handlers.ts';
import type { SecretBox } from '../../secrets/box.ts';
import { Attempts } from './attempts.ts';
import { CliCodes } from './cli-codes.ts';
import { type Attempt, GuessLimits } from './guessing.ts';
import { PasswordHasher } from './passwords.ts';
import { type SignInPlace, signInPlace } from './place.ts';

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

/** What signing in needs. */
export interface SignInDeps {
  readonly store: Store;
  readonly box: SecretBox;
  readonly hasher: PasswordHasher;
  readonly guesses: GuessLimits;
  readonly attempts: Attempts<Begun>;
  readonly cliCodes: CliCodes;
  /** Address at which people reach the controller. */
  readonly signInUrl: () => string;
}

/** Builds what the features of sign-in share. Limits and attempts live in memory, and end with the controller. */
export const createSignIn = ({
  store,
  box,
  signInUrl,
}: Pick<SignInDeps, 'store' | 'box' | 'signInUrl'>): SignInDeps => ({
  store,
  box,
  signInUrl,
  hasher: new PasswordHasher(),
  guesses: new GuessLimits(store.now),
  attempts: new Attempts(box, store.now),
  cliCodes: new CliCodes(store.now),
});

/** Returns where people sign in. Throws `sign_in_unavailable` where they cannot. */
export function requirePlace(deps: Pick<SignInDeps, 'signInUrl'>): SignInPlace {
  const place = signInPlace(deps.signInUrl());
  if ('reason' in place) throw new ApiError('sign_in_unavailable', place.reason);
  return place;
}

/** Finishes what was begun, as the kind that is expected. Throws `sign_in_failed` for anything else. */
export function finishBegun<K extends Begun['kind']>(
  deps: Pick<SignInDeps, 'attempts'>,
  name: string,
  kind: K,
): Extract<Begun, { kind: K }> {
  const begun = deps.attempts.finish(name);
  if (begun.kind !== kind) throw new ApiError('sign_in_failed', 'This was begun as something else: begin again');
  return begun as Extract<Begun, { kind: K }>;
}

/** Who tries, for the limits against guessing. */
export const attemptOf = (account: string, { sourceIp, sourceKnown }: ActContext): Attempt => ({
  account,
  source: sourceKnown ? sourceIp : null,
});
