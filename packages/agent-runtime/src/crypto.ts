import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { AgentCrypto } from '@sallyport/agent-core';
import { provePossession } from '@sallyport/contract/channel';

/**
 * Functions of the agent's keys. `seed` are the 32 bytes of its Ed25519 identity key (RFC 8032), base64; with the private
 * WireGuard key, base64.
 */
export function identityCrypto(
  seed: string,
  wireguardPrivateKey: string,
): AgentCrypto & { readonly publicKey: string } {
  const privateKey = createPrivateKey({
    key: Buffer.concat([pkcs8Prefix, Buffer.from(seed, 'base64')]),
    format: 'der',
    type: 'pkcs8',
  });
  const publicKey = createPublicKey(privateKey)
    .export({ format: 'der', type: 'spki' })
    .subarray(-32)
    .toString('base64');
  return {
    publicKey,
    sign: (text) => sign(null, Buffer.from(text), privateKey).toString('base64'),
    verify: verifyText,
    fingerprint: (key) =>
      createHash('sha256').update(Buffer.from(key, 'base64')).digest().subarray(0, 16).toString('base64url'),
    provePossession: (ephemeral, transcript) => provePossession(wireguardPrivateKey, ephemeral, transcript),
  };
}

function verifyText(publicKey: string, text: string, signature: string): boolean {
  try {
    const bytes = Buffer.from(signature, 'base64');
    return bytes.length === 64 && verify(null, Buffer.from(text), publicKeyObject(publicKey), bytes);
  } catch {
    return false;
  }
}

function publicKeyObject(raw: string): KeyObject {
  const x = Buffer.from(raw, 'base64').toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** PKCS #8 of an Ed25519 key up to the key itself (RFC 8410 section 7). */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
