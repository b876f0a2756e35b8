import type { AuthenticationResponseJSON, RegistrationResponseJSON, WebAuthnCredential } from '@simplewebauthn/server';
import { ApiError } from '../../errors.ts';
import { dataOf, type MethodData, type MethodRow } from './methods.ts';
import type { SignInPlace } from './place.ts';

/** Options for `navigator.credentials`, and the challenge that the answer must carry. */
export interface Challenge {
  readonly options: Record<string, unknown>;
  readonly challenge: string;
}

/** The library is large and most starts of the controller never need it. */
const library = () => import('@simplewebauthn/server');

/** Milliseconds that a person has for the authenticator. */
const timeout = 5 * 60 * 1000;

/** Makes options to register a discoverable passkey: signing in asks for no account and no tenant. */
export async function registrationOptions(
  place: SignInPlace,
  user: { readonly id: string; readonly email: string },
  present: readonly MethodRow[],
): Promise<Challenge> {
  const { generateRegistrationOptions } = await library();
  const options = await generateRegistrationOptions({
    rpName: 'Sallyport',
    rpID: place.relyingParty,
    userID: new Uint8Array(Buffer.from(user.id)),
    userName: user.email,
    attestationType: 'none',
    timeout,
    excludeCredentials: present.flatMap(({ credential_id }) => (credential_id === null ? [] : [{ id: credential_id }])),
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
  });
  return { options: { ...options }, challenge: options.challenge };
}

/** Checks the answer of a new passkey. Throws `sign_in_failed` when it does not fit the challenge or the place. */
export async function verifyRegistration(
  place: SignInPlace,
  challenge: string,
  response: unknown,
): Promise<{ readonly credentialId: string; readonly data: MethodData['PASSKEY'] }> {
  const { verifyRegistrationResponse } = await library();
  const { verified, registrationInfo } = await refusing(() =>
    verifyRegistrationResponse({
      response: response as RegistrationResponseJSON,
      expectedChallenge: challenge,
      expectedOrigin: place.origin,
      expectedRPID: place.relyingParty,
      requireUserVerification: true,
    }),
  );
  if (!verified || registrationInfo === undefined) throw refused();
  const { credential, credentialBackedUp } = registrationInfo;
  return {
    credentialId: credential.id,
    data: {
      publicKey: Buffer.from(credential.publicKey).toString('base64url'),
      counter: credential.counter,
      relyingParty: place.relyingParty,
      transports: credential.transports ?? [],
      backedUp: credentialBackedUp,
    },
  };
}

/** Makes options to sign in with any passkey of this place. */
export async function signInOptions(place: SignInPlace): Promise<Challenge> {
  const { generateAuthenticationOptions } = await library();
  const options = await generateAuthenticationOptions({
    rpID: place.relyingParty,
    timeout,
    userVerification: 'required',
  });
  return { options: { ...options }, challenge: options.challenge };
}

/** Checks the answer of a passkey. Returns what the method keeps from now on. Throws `sign_in_failed`. */
export async function verifySignIn(
  place: SignInPlace,
  challenge: string,
  response: unknown,
  method: MethodRow,
): Promise<MethodData['PASSKEY']> {
  const { verifyAuthenticationResponse } = await library();
  const data = dataOf(method, 'PASSKEY');
  const credential: WebAuthnCredential = {
    id: method.credential_id ?? '',
    publicKey: new Uint8Array(Buffer.from(data.publicKey, 'base64url')),
    counter: data.counter,
  };
  const { verified, authenticationInfo } = await refusing(() =>
    verifyAuthenticationResponse({
      response: response as AuthenticationResponseJSON,
      expectedChallenge: challenge,
      expectedOrigin: place.origin,
      expectedRPID: data.relyingParty,
      requireUserVerification: true,
      credential,
    }),
  );
  // The user handle says whose passkey it is (WebAuthn Level 3, 7.2, step 6).
  const handle = (response as AuthenticationResponseJSON).response.userHandle;
  if (!verified || handle === undefined || Buffer.from(handle, 'base64url').toString() !== method.user_id)
    throw refused();
  return { ...data, counter: authenticationInfo.newCounter, backedUp: authenticationInfo.credentialBackedUp };
}

/** The library throws for everything that is wrong with an answer. Only that it is wrong goes out. */
async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch {
    throw refused();
  }
}

const refused = (): ApiError => new ApiError('sign_in_failed', 'The passkey was not accepted');
