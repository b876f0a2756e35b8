import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { ReleaseError } from './error.ts';

/** A new release key. Both halves are texts in PEM. */
export interface ReleaseKeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/** Makes an Ed25519 key pair. */
export function createReleaseKey(): ReleaseKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

const pem = /-----BEGIN PUBLIC KEY-----[\s\S]+?-----END PUBLIC KEY-----/g;
const oneLine = /^[A-Za-z0-9+/]{59}=$/;
const maxKeys = 8;
const maxText = 16 * 1024;

/**
 * Reads the public keys that may sign a release: blocks in PEM, or single lines of Base64 (the middle of such a block).
 * Several keys are allowed, so that a key can be replaced. Throws when there is none.
 */
export function parseReleaseKeys(text: string): KeyObject[] {
  if (text.length > maxText) throw new ReleaseError('bad_key', 'the text of the release keys is too long');
  const lines = text.replace(pem, '').split(/[\s,]+/);
  const blocks = [...(text.match(pem) ?? []), ...lines.filter((line) => line !== '').map(blockOf)];
  if (blocks.length === 0 || blocks.length > maxKeys)
    throw new ReleaseError('bad_key', `expected 1 to ${maxKeys} release keys, found ${blocks.length}`);
  return blocks.map(publicKeyOf);
}

function blockOf(line: string): string {
  if (!oneLine.test(line))
    throw new ReleaseError('bad_key', 'a release key is a public Ed25519 key, in PEM or one line');
  return `-----BEGIN PUBLIC KEY-----\n${line}\n-----END PUBLIC KEY-----\n`;
}

function publicKeyOf(block: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(block);
  } catch {
    throw new ReleaseError('bad_key', 'a release key cannot be read: expected a public Ed25519 key in PEM');
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw new ReleaseError('bad_key', `a release key is an Ed25519 key, not ${key.asymmetricKeyType}`);
  return key;
}

/** Returns a public key as one line of Base64, for a setting. */
export const oneLineOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'der' }).toString('base64');

/** Reads the private half of a release key. The message of an error never holds a part of it. */
export function parsePrivateKey(text: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    throw new ReleaseError('bad_key', 'the release key cannot be read: expected a private Ed25519 key in PEM');
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new ReleaseError('bad_key', 'the release key is no Ed25519 key');
  return key;
}

const signatureBytes = 64;

/** Signs the text of `SHA256SUMS`. The 64 bytes are a plain Ed25519 signature (RFC 8032), as OpenSSL checks it. */
export const signSums = (sums: Uint8Array, privateKey: KeyObject): Buffer => sign(null, sums, privateKey);

/** Whether one of the keys signed the text. */
export const isSigned = (sums: Uint8Array, signature: Uint8Array, keys: readonly KeyObject[]): boolean =>
  signature.length === signatureBytes && keys.some((key) => verify(null, sums, key, signature));
