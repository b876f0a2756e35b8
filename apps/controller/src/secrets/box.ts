import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { fewRandomBytes } from './random.ts';

/** Protects secrets so that a stolen database does not reveal them. All keys derive from a master key of 32 bytes. */
export interface SecretBox {
  /** AES-256-GCM. `purpose` binds the text to its place: it opens with the same purpose only. */
  seal(text: string, purpose: string): string;
  /** Throws when the text was changed, belongs elsewhere, or was sealed with a master key that the box does not hold. */
  open(sealed: string, purpose: string): string;
  /** HMAC-SHA-256 in hexadecimal, to find a secret without keeping it. */
  keyedHash(text: string): string;
}

/** A secret box whose master key can be replaced. It opens what any of its master keys has sealed. */
export interface RotatingBox extends SecretBox {
  /** Names of the master keys, the one that seals first. A name gives nothing away about its key. */
  readonly keyNames: readonly string[];
  /** Seals with this master key from now on. Those from before still open. */
  use(masterKey: Buffer): void;
  /** Whether the text was sealed with the master key that seals now. False for anything else. */
  isCurrent(sealed: string, purpose: string): boolean;
  /** The key of `keyedHash`, sealed. It stays the same when the master key is replaced. */
  sealedHashKey(): string;
  /** Takes the key of `keyedHash` from a sealed text. Throws as `open` does. */
  useHashKey(sealed: string): void;
}

/** Makes a secret box from the master key, and from those that were in use before it. */
export function createSecretBox(current: Buffer, ...earlier: readonly Buffer[]): RotatingBox {
  let keys = [current, ...earlier].map(keyFrom);
  // Node takes several times as long for a key that is given as bytes.
  let hashing = createSecretKey(derive(earlier.at(-1) ?? current, 'hash'));
  const open = (sealed: string, purpose: string): string => {
    const before = keys.slice(1).find(({ sealing }) => opens(sealing, sealed, purpose));
    return openWith(sealingOf(before ?? keys[0]), sealed, purpose);
  };
  return {
    seal: (text, purpose) => seal(sealingOf(keys[0]), text, purpose),
    open,
    keyedHash: (text) => createHmac('sha256', hashing).update(text).digest('hex'),
    get keyNames() {
      return keys.map(({ name }) => name);
    },
    use: (masterKey) => {
      const next = keyFrom(masterKey);
      keys = [next, ...keys.filter(({ name }) => name !== next.name)];
    },
    isCurrent: (sealed, purpose) => opens(sealingOf(keys[0]), sealed, purpose),
    sealedHashKey: () => seal(sealingOf(keys[0]), hashing.export().toString('hex'), hashKeyPlace),
    useHashKey: (sealed) => {
      hashing = createSecretKey(Buffer.from(open(sealed, hashKeyPlace), 'hex'));
    },
  };
}

/** Where the sealed key of `keyedHash` is in the table `meta`, and what binds it to that place. */
export const hashKeyPlace = 'hash-key';

/** Returns the name of a master key: 16 hexadecimal digits that give nothing away about it. */
export const masterKeyName = (masterKey: Buffer): string => derive(masterKey, 'name').toString('hex').slice(0, 16);

interface Key {
  readonly name: string;
  readonly sealing: KeyObject;
}

const keyFrom = (masterKey: Buffer): Key => ({
  name: masterKeyName(masterKey),
  sealing: createSecretKey(derive(masterKey, 'seal')),
});

const derive = (masterKey: Buffer, use: string): Buffer =>
  Buffer.from(hkdfSync('sha256', masterKey, '', `sallyport ${use}`, 32));

function sealingOf(key: Key | undefined): KeyObject {
  if (key === undefined) throw new Error('a secret box has a master key');
  return key.sealing;
}

function opens(key: KeyObject, sealed: string, purpose: string): boolean {
  try {
    openWith(key, sealed, purpose);
    return true;
  } catch {
    return false;
  }
}

const ivBytes = 12;
const tagBytes = 16;

function seal(key: KeyObject, text: string, purpose: string): string {
  const iv = fewRandomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(purpose));
  const body = [cipher.update(text, 'utf8'), cipher.final()];
  return Buffer.concat([iv, cipher.getAuthTag(), ...body]).toString('base64');
}

function openWith(key: KeyObject, sealed: string, purpose: string): string {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(purpose))
    .setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
  return decipher.update(bytes.subarray(ivBytes + tagBytes), undefined, 'utf8') + decipher.final('utf8');
}
