import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

/** Protects secrets so that a stolen database does not reveal them. All keys derive from the master key of 32 bytes. */
export interface SecretBox {
  /** AES-256-GCM. `purpose` binds the text to its place: it opens with the same purpose only. */
  seal(text: string, purpose: string): string;
  /** Throws when the text was changed, belongs elsewhere, or was sealed with another master key. */
  open(sealed: string, purpose: string): string;
  /** HMAC-SHA-256 in hexadecimal, to find a secret without keeping it. */
  keyedHash(text: string): string;
}

/** Makes a secret box from the master key. */
export function createSecretBox(masterKey: Buffer): SecretBox {
  const derive = (use: string) =>
    createSecretKey(Buffer.from(hkdfSync('sha256', masterKey, '', `sallyport ${use}`, 32)));
  const sealing = derive('seal');
  const hashing = derive('hash');
  return {
    seal: (text, purpose) => seal(sealing, text, purpose),
    open: (sealed, purpose) => open(sealing, sealed, purpose),
    keyedHash: (text) => createHmac('sha256', hashing).update(text).digest('hex'),
  };
}

const ivBytes = 12;
const tagBytes = 16;

function seal(key: KeyObject, text: string, purpose: string): string {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(purpose));
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64');
}

function open(key: KeyObject, sealed: string, purpose: string): string {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(purpose))
    .setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
  return decipher.update(bytes.subarray(ivBytes + tagBytes), undefined, 'utf8') + decipher.final('utf8');
}
