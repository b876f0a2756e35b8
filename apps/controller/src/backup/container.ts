import { createCipheriv, createDecipheriv, createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { OperatorError } from '../errors.ts';
import { ByteReader, type Pieces } from './bytes.ts';

/*
 * The file of a backup, as docs/backup.md describes it: a head, then chunks. A chunk is a length of four bytes whose
 * highest bit marks the last chunk, that many bytes, and a tag of 16 bytes. Chunk numbers, the mark and the head are
 * under the tags, so no chunk can be changed, moved, or cut away. Encrypted, the tag is the one of AES-256-GCM; plain,
 * it is the beginning of a SHA-256, which finds damage but no forgery.
 */

const magic = Buffer.from('SALLYBAK');
const formatVersion = 1;
const kinds = { plain: 0, encrypted: 1 } as const;
const fixedHead = magic.length + 2;
const saltBytes = 16;
const tagBytes = 16;
const chunkBytes = 64 * 1024;
const lastMark = 0x8000_0000;

/** Work of scrypt: N is 2 to the power of `logN`. */
export interface Cost {
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}

/** scrypt with 128 MiB of memory: OWASP's recommendation. */
const cost: Cost = { logN: 17, r: 8, p: 1 };
/** Limits of the work that a file may ask of the reader. */
const dearest: Cost = { logN: 20, r: 16, p: 4 };

/** Called when the file is encrypted. */
export type AskPassphrase = () => Promise<string>;

/** Wraps `content` for a file. `passphrase`: null leaves it readable. */
export async function* seal(content: Pieces, passphrase: string | null, work: Cost = cost): AsyncGenerator<Buffer> {
  const head = newHead(passphrase === null ? null : work);
  yield head;
  const tagger = await taggerOf(head, passphrase);
  const reader = new ByteReader(content);
  let chunk = await reader.take(chunkBytes);
  for (let number = 0; ; number++) {
    const next = chunk.length < chunkBytes ? Buffer.alloc(0) : await reader.take(chunkBytes);
    const last = next.length === 0;
    yield tagger.seal(frame(chunk.length, last), chunk, number);
    if (last) return;
    chunk = next;
  }
}

/**
 * Yields the content of a file, piece by piece. Each piece is checked before it is yielded. Only after the last one is
 * the file known to be complete. Throws OperatorError.
 */
export async function* open(file: Pieces, ask: AskPassphrase): AsyncGenerator<Buffer> {
  const reader = new ByteReader(file);
  const { head, encrypted } = await readHead(reader);
  const tagger = await taggerOf(head, encrypted ? await ask() : null);
  for (let number = 0; ; number++) {
    const lengthField = await reader.take(4);
    if (lengthField.length < 4) throw cutShort();
    const mark = lengthField.readUInt32BE();
    const last = mark >= lastMark;
    const length = mark % lastMark;
    if (length > chunkBytes) throw damaged(number, encrypted);
    const body = await reader.take(length + tagBytes);
    if (body.length < length + tagBytes) throw cutShort();
    const chunk = tagger.open(lengthField, body, number);
    if (chunk === null) throw damaged(number, encrypted);
    yield chunk;
    if (!last) continue;
    if (!(await reader.atEnd()))
      throw new OperatorError('the file goes on after the end of the backup: it was changed');
    return;
  }
}

interface Tagger {
  /** Length field, chunk and tag, as they stand in the file. */
  seal(lengthField: Buffer, chunk: Buffer, number: number): Buffer;
  /** Null: the tag does not fit. */
  open(lengthField: Buffer, body: Buffer, number: number): Buffer | null;
}

async function taggerOf(head: Buffer, passphrase: string | null): Promise<Tagger> {
  return passphrase === null ? digestTagger(head) : cipherTagger(head, await keyOf(head, passphrase));
}

function cipherTagger(head: Buffer, key: Buffer): Tagger {
  const options = { authTagLength: tagBytes };
  return {
    seal: (lengthField, chunk, number) => {
      const cipher = createCipheriv('aes-256-gcm', key, nonce(number), options);
      cipher.setAAD(Buffer.concat([head, lengthField]));
      const body = Buffer.concat([cipher.update(chunk), cipher.final()]);
      return Buffer.concat([lengthField, body, cipher.getAuthTag()]);
    },
    open: (lengthField, body, number) => {
      const decipher = createDecipheriv('aes-256-gcm', key, nonce(number), options);
      decipher.setAAD(Buffer.concat([head, lengthField])).setAuthTag(body.subarray(-tagBytes));
      try {
        return Buffer.concat([decipher.update(body.subarray(0, -tagBytes)), decipher.final()]);
      } catch {
        return null;
      }
    },
  };
}

function digestTagger(head: Buffer): Tagger {
  const tag = (lengthField: Buffer, chunk: Buffer, number: number): Buffer =>
    createHash('sha256')
      .update(head)
      .update(nonce(number))
      .update(lengthField)
      .update(chunk)
      .digest()
      .subarray(0, tagBytes);
  return {
    seal: (lengthField, chunk, number) => Buffer.concat([lengthField, chunk, tag(lengthField, chunk, number)]),
    open: (lengthField, body, number) => {
      const chunk = body.subarray(0, -tagBytes);
      return timingSafeEqual(tag(lengthField, chunk, number), body.subarray(-tagBytes)) ? chunk : null;
    },
  };
}

/** The key is of this file alone, so chunk numbers never repeat under it. */
function nonce(number: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64BE(BigInt(number), 4);
  return bytes;
}

function frame(length: number, last: boolean): Buffer {
  const field = Buffer.alloc(4);
  field.writeUInt32BE(last ? length + lastMark : length);
  return field;
}

function newHead(work: Cost | null): Buffer {
  const kind = work === null ? kinds.plain : kinds.encrypted;
  const fixed = Buffer.concat([magic, Buffer.from([formatVersion, kind])]);
  if (work === null) return fixed;
  return Buffer.concat([fixed, Buffer.from([work.logN, work.r, work.p]), randomBytes(saltBytes)]);
}

async function readHead(reader: ByteReader): Promise<{ head: Buffer; encrypted: boolean }> {
  const fixed = await reader.take(fixedHead);
  if (!fixed.subarray(0, magic.length).equals(magic.subarray(0, fixed.length)) || fixed.length === 0)
    throw new OperatorError('this is not a backup of Sallyport: such a file starts with SALLYBAK');
  if (fixed.length < fixedHead) throw cutShort();
  const [version, kind] = fixed.subarray(magic.length);
  if (version !== formatVersion)
    throw new OperatorError(
      `the backup has format ${version}, this program reads ${formatVersion}: use the version of Sallyport that made it, or a newer one`,
    );
  if (kind === kinds.plain) return { head: fixed, encrypted: false };
  if (kind !== kinds.encrypted)
    throw new OperatorError('the head of the backup is damaged: use another copy of the file');
  const rest = await reader.take(3 + saltBytes);
  if (rest.length < 3 + saltBytes) throw cutShort();
  return { head: Buffer.concat([fixed, rest]), encrypted: true };
}

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);

async function keyOf(head: Buffer, passphrase: string): Promise<Buffer> {
  const [logN = 0, r = 0, p = 0] = head.subarray(fixedHead);
  const fair = logN >= 1 && r >= 1 && p >= 1 && logN <= dearest.logN && r <= dearest.r && p <= dearest.p;
  if (!fair) throw new OperatorError('the head of the backup is damaged: use another copy of the file');
  const salt = head.subarray(fixedHead + 3);
  // What is typed on one system may come in another form on another (Unicode NFC and NFD).
  return derive(passphrase.normalize('NFC'), salt, 32, { N: 2 ** logN, r, p, maxmem: 256 * 2 ** logN * r });
}

const cutShort = (): OperatorError =>
  new OperatorError('the backup is cut short: the end of the file is missing. Copy it again, or use another backup');

/** A wrong passphrase shows at the first chunk. */
function damaged(number: number, encrypted: boolean): OperatorError {
  if (encrypted && number === 0)
    return new OperatorError('the passphrase is wrong, or the beginning of the backup was changed');
  return new OperatorError(
    'the backup is damaged or was changed: its checks do not fit. Copy it again, or use another backup',
  );
}
