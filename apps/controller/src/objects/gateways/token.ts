import { formatEnrolmentToken, maskEnrolmentToken } from '@sallyport/contract/channel';
import type { SecretBox } from '../../secrets/box.ts';
import { fewRandomBytes } from '../../secrets/random.ts';

/** Makes a token and the columns that store it: a keyed hash to find it, and a ciphertext under the master key. */
export function makeToken(box: SecretBox, gateway: string, controllerFingerprint: string) {
  const secret = fewRandomBytes(32).toString('base64url');
  const token = formatEnrolmentToken({ role: 'gateway', agent: gateway, secret, controllerFingerprint });
  return {
    token,
    kept: { token_hash: box.keyedHash(secret), token_ciphertext: box.seal(token, tokenPurpose(gateway)) },
  };
}

/** Returns the enrolment token of a gateway in the clear. */
export function readToken(box: SecretBox, row: { id: string; token_ciphertext: string }): string {
  return box.open(row.token_ciphertext, tokenPurpose(row.id));
}

/** Returns the masked token, for callers who may not deploy and for gateways nested in other objects. */
export const maskedToken = (gateway: string): string => maskEnrolmentToken(`sgw_${gateway.replaceAll('-', '')}`);

/** Binds a sealed token to its gateway. */
export const tokenPurpose = (gateway: string): string => `token ${gateway}`;
