/** A WireGuard key pair, both keys in base64. */
export interface KeyPair {
  readonly publicKey: string;
  readonly privateKey: string;
}

/** Makes a WireGuard key pair in the browser (X25519, RFC 7748). The private key never leaves it. */
export async function makeKeyPair(): Promise<KeyPair> {
  const pair = (await crypto.subtle.generateKey({ name: 'X25519' }, true, ['deriveBits'])) as CryptoKeyPair;
  const { d, x } = await crypto.subtle.exportKey('jwk', pair.privateKey);
  if (d === undefined || x === undefined) throw new Error('the browser exported no key');
  return { publicKey: base64(x), privateKey: base64(d) };
}

const base64 = (url: string): string => `${url.replaceAll('-', '+').replaceAll('_', '/')}=`;

/** Stands in a configuration where the private key goes: the controller does not have that key. */
const placeholder = 'REPLACE_WITH_PRIVATE_KEY';

/** Puts the private key into a configuration. */
export const withKey = (configuration: string, { privateKey }: KeyPair): string =>
  configuration.replace(placeholder, privateKey);
