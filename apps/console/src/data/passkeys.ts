import type { Me, ResponseBody } from '@sallyport/contract';
import {
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  startAuthentication,
  startRegistration,
} from '@simplewebauthn/browser';
import { ApiFailure, call } from './api.ts';

type Options = ResponseBody<'getPasskeySignInOptions'>;

/** Signs in with a passkey that the browser or a security key has. */
export async function signInWithPasskey(): Promise<Me> {
  const { attempt, options } = await call<'getPasskeySignInOptions'>('POST', '/sign-in/passkey/options');
  const optionsJSON = options as unknown as PublicKeyCredentialRequestOptionsJSON;
  const credential = await asked(() => startAuthentication({ optionsJSON }));
  return call<'signInWithPasskey'>('POST', '/sign-in/passkey', { attempt, credential } as never);
}

/** Lets the browser make a passkey for the options of the controller. Returns what a request has to carry. */
export async function makePasskey({ attempt, options }: Options): Promise<{ attempt: string; credential: unknown }> {
  const optionsJSON = options as unknown as PublicKeyCredentialCreationOptionsJSON;
  return { attempt, credential: await asked(() => startRegistration({ optionsJSON })) };
}

/** Browsers throw when the person cancels, and name no other reason, to tell pages nothing. */
async function asked<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && error.name === 'InvalidStateError')
      throw new ApiFailure('passkey', 'This device has a passkey for the account already.');
    throw new ApiFailure('passkey', 'The browser made no passkey: it was cancelled, or took too long.');
  }
}
