import { ReleaseError } from './error.ts';

/** An entry of an archive that is read. */
export interface TarEntry {
  readonly path: string;
  readonly type: 'file' | 'folder';
  readonly isProgram: boolean;
  /** Content of a file, in parts. The reader of the archive must read it to its end. */
  readonly content: AsyncIterable<Buffer>;
}

/** Bounds of an archive. */
export interface TarLimits {
  /** Number of entries. */
  readonly entries: number;
  /** Bytes of the whole archive, unpacked. */
  readonly bytes: number;
}

const blockBytes = 512;

/**
 * Reads a tar archive in the ustar format that holds one folder: plain files and folders with plain paths below `folder`.
 * Throws for links, devices, extended headers, paths that lead out, a path that comes twice, an archive that is cut,
 * and what exceeds the limits. An entry is checked before it is passed on.
 */
export async function* readTar(
  source: AsyncIterable<Buffer>,
  folder: string,
  limits: TarLimits,
): AsyncGenerator<TarEntry> {
  const bytes = new ByteReader(source, limits.bytes);
  try {
    yield* readEntries(bytes, folder, limits.entries);
  } finally {
    await bytes.close();
  }
}

async function* readEntries(bytes: ByteReader, folder: string, most: number): AsyncGenerator<TarEntry> {
  const folders = new Set<string>();
  const seen = new Set<string>();
  for (;;) {
    const block = await bytes.take(blockBytes);
    if (block.every((byte) => byte === 0)) break;
    if (seen.size >= most) throw new ReleaseError('too_large', `the archive has more than ${most} entries`);
    const { path, type, size, isProgram } = readHeader(block);
    checkPath(path, folder, folders, seen);
    if (type === 'folder') folders.add(path);
    seen.add(path);
    const content = bytes.upTo(size);
    yield { path, type, isProgram, content };
    for await (const _ of content) throw new Error(`the content of ${path} was not read to its end`);
    await bytes.take(-size & (blockBytes - 1));
  }
  await bytes.expectZeros();
  if (seen.size === 0) throw new ReleaseError('damaged', 'the archive is empty');
}

interface Header {
  readonly path: string;
  readonly type: 'file' | 'folder';
  readonly size: number;
  readonly isProgram: boolean;
}

const kinds: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a device',
  '4': 'a device',
  '6': 'a pipe',
};

function readHeader(block: Buffer): Header {
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (octal(block, 148, 8) !== sum || text(block, 257, 5) !== 'ustar')
    throw new ReleaseError('damaged', 'the archive is damaged: an entry has a wrong checksum');
  const prefix = text(block, 345, 155);
  const name = text(block, 0, 100);
  const path = prefix === '' ? name : `${prefix}/${name}`;
  const flag = text(block, 156, 1);
  const size = octal(block, 124, 12);
  if (flag === '0' || flag === '') return { path, type: 'file', size, isProgram: (octal(block, 100, 8) & 0o100) !== 0 };
  const what = kinds[flag] ?? 'no plain file or folder';
  if (flag !== '5') throw new ReleaseError('unsafe', `the entry ${JSON.stringify(path)} of the archive is ${what}`);
  if (size !== 0) throw new ReleaseError('damaged', `the folder ${JSON.stringify(path)} of the archive has a size`);
  return { path: path.replace(/\/$/, ''), type: 'folder', size, isProgram: true };
}

function text(block: Buffer, at: number, length: number): string {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return field.subarray(0, end < 0 ? length : end).toString('latin1');
}

function octal(block: Buffer, at: number, length: number): number {
  const digits = text(block, at, length).trim();
  if (!/^[0-7]{1,11}$/.test(digits)) throw new ReleaseError('damaged', 'the archive is damaged: a number is missing');
  return Number.parseInt(digits, 8);
}

/** One part of a path. A name cannot begin with a dot or hold anything that a shell or a terminal takes for its own. */
const part = '[A-Za-z0-9_@+-][A-Za-z0-9._@+-]*';
const plainPath = new RegExp(`^${part}(/${part})*$`);

function checkPath(path: string, folder: string, folders: ReadonlySet<string>, seen: ReadonlySet<string>): void {
  const shown = JSON.stringify(path);
  if (!plainPath.test(path) || !(path === folder || path.startsWith(`${folder}/`)))
    throw new ReleaseError('unsafe', `the entry ${shown} of the archive is not inside ${folder}`);
  if (seen.has(path)) throw new ReleaseError('unsafe', `the entry ${shown} comes twice in the archive`);
  const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')));
  if (parent !== '' && !folders.has(parent))
    throw new ReleaseError('unsafe', `the entry ${shown} of the archive comes without its folder`);
}

/** Cuts a stream of bytes into pieces of given sizes. */
class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  readonly #limit: number;
  #held: Buffer = Buffer.alloc(0);
  #read = 0;

  constructor(source: AsyncIterable<Buffer>, limit: number) {
    this.#source = source[Symbol.asyncIterator]();
    this.#limit = limit;
  }

  /** Returns the next bytes, at most `most`; null at the end. */
  async #some(most: number): Promise<Buffer | null> {
    while (this.#held.length === 0) {
      const next = await this.#source.next();
      if (next.done) return null;
      this.#held = next.value;
      this.#read += next.value.length;
      if (this.#read > this.#limit)
        throw new ReleaseError('too_large', `the archive is larger than ${this.#limit} bytes when unpacked`);
    }
    const part = this.#held.subarray(0, most);
    this.#held = this.#held.subarray(part.length);
    return part;
  }

  /** Ends the source, which may have more. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async *upTo(size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0; ) {
      const part = await this.#some(left);
      if (part === null) throw new ReleaseError('damaged', 'the archive is cut');
      left -= part.length;
      yield part;
    }
  }

  async take(size: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.upTo(size)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** Reads the padding after the last entry. */
  async expectZeros(): Promise<void> {
    let length = 0;
    for (let part = await this.#some(blockBytes); part !== null; part = await this.#some(blockBytes)) {
      if (part.some((byte) => byte !== 0)) throw new ReleaseError('damaged', 'the archive continues after its end');
      length += part.length;
    }
    if (length < blockBytes) throw new ReleaseError('damaged', 'the archive is cut');
  }
}
