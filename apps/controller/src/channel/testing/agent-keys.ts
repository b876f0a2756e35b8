import { generateKeyPairSync, sign as signBytes } from 'node:crypto';

/** An Ed25519 key pair that signs. */
export interface Signer {
  /** Raw Ed25519 key, base64. */
  readonly publicKey: string;
  readonly sign: (text: string) => string;
}

/** Returns a new key pair. */
export function newSigner(): Signer {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url').toString('base64');
  return { publicKey: raw, sign: (text) => signBytes(null, Buffer.from(text), privateKey).toString('base64') };
}
