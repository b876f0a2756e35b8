import { randomBytes } from 'node:crypto';
import { formatEnrolmentToken, maskEnrolmentToken } from '@sallyport/contract/channel';
import type { SecretBox } from '../../secrets/box.ts';

/** A new token, and how it is kept: found by a keyed hash of its secret, readable with the master key only. */
export function makeToken(box: SecretBox, gateway: string, controllerFingerprint: string) {
  const secret = randomBytes(32).toString('base64url');
  const token = formatEnrolmentToken({ role: 'gateway', agent: gateway, secret, controllerFingerprint });
  return { token, kept: { token_hash: box.keyedHash(secret), token_ciphertext: box.seal(token, purpose(gateway)) } };
}

export function readToken(box: SecretBox, row: { id: string; token_ciphertext: string }): string {
  return box.open(row.token_ciphertext, purpose(row.id));
}

/** What callers see who may not deploy, and everybody in gateways nested in other objects. */
export const maskedToken = (gateway: string): string => maskEnrolmentToken(`sgw_${gateway.replaceAll('-', '')}`);

const purpose = (gateway: string): string => `token ${gateway}`;
