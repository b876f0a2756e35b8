import { generateKeyPairSync } from 'node:crypto';

/** Returns a WireGuard key pair in base64, as `wg genkey` and `wg pubkey` create it. */
export function generateKeyPair(): { privateKey: string; publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const raw = (part: string | undefined): string => Buffer.from(part ?? '', 'base64url').toString('base64');
  return {
    privateKey: raw(privateKey.export({ format: 'jwk' }).d),
    publicKey: raw(publicKey.export({ format: 'jwk' }).x),
  };
}
