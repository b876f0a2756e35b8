import { createReadStream, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** An entry of an archive that is written. */
export interface TarInput {
  /** Path with `/`, relative. */
  readonly path: string;
  readonly mode: number;
  /** Owner, root by default. */
  readonly uid?: number;
  readonly gid?: number;
  /** `folder`, target of a symbolic link, or the content of a file: bytes, or a file on disk with its size. */
  readonly holds: 'folder' | { readonly link: string } | Uint8Array | { readonly file: string; readonly size: number };
}

/**
 * Writes entries as a tar archive in the ustar format (POSIX.1-1988). Every entry has the time `at` (epoch seconds), so
 * that equal entries give equal bytes.
 */
export async function* writeTar(entries: Iterable<TarInput>, at: number): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    yield tarHeader(entry, at);
    if (sizeOf(entry.holds) === 0) continue;
    if (entry.holds instanceof Uint8Array) yield Buffer.from(entry.holds);
    else if (entry.holds !== 'folder' && 'file' in entry.holds) yield* readWhole(entry.holds.file, entry.holds.size);
    yield Buffer.alloc(-sizeOf(entry.holds) & 511);
  }
  yield Buffer.alloc(1024);
}

async function* readWhole(file: string, size: number): AsyncGenerator<Buffer> {
  let read = 0;
  for await (const chunk of createReadStream(file)) {
    read += chunk.length;
    yield chunk;
  }
  if (read !== size) throw new Error(`${file} changed while it was packed`);
}

function sizeOf(holds: TarInput['holds']): number {
  if (holds instanceof Uint8Array) return holds.length;
  return holds !== 'folder' && 'file' in holds ? holds.size : 0;
}

/** Returns the header of an entry: one block of 512 bytes. */
export function tarHeader({ path, mode, uid = 0, gid = 0, holds }: TarInput, at: number): Buffer {
  const header = Buffer.alloc(512);
  const isFolder = holds === 'folder';
  const link = holds !== 'folder' && 'link' in holds ? holds.link : '';
  const [prefix, name] = splitPath(isFolder ? `${path}/` : path);
  header.write(name, 0);
  writeOctal(header, 100, 8, mode);
  writeOctal(header, 108, 8, uid);
  writeOctal(header, 116, 8, gid);
  writeOctal(header, 124, 12, sizeOf(holds));
  writeOctal(header, 136, 12, at);
  header.write(isFolder ? '5' : link === '' ? '0' : '2', 156);
  if (Buffer.byteLength(link) > 100) throw new Error(`the target of the link ${path} is too long for an archive`);
  header.write(link, 157);
  header.write('ustar\0', 257);
  header.write('00', 263);
  header.write(prefix, 345);
  return settleChecksum(header);
}

/** Writes the checksum of a header into it. */
export function settleChecksum(header: Buffer): Buffer {
  header.write('        ', 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

function writeOctal(header: Buffer, at: number, length: number, value: number): void {
  header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
}

/** A path over 100 bytes is cut at a `/` into a prefix of up to 155 bytes and the rest. */
function splitPath(path: string): [string, string] {
  if (Buffer.byteLength(path) <= 100) return ['', path];
  for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100 && name !== '') return [prefix, name];
  }
  throw new Error(`${path} is too long for an archive`);
}

/**
 * Returns the entries of a folder in the order of their names, below `name`. Permissions are 755 or 644, whatever the
 * machine's umask is. Throws for anything but files and folders.
 */
export function folderEntries(folder: string, name: string): TarInput[] {
  const stats = lstatSync(folder);
  if (stats.isFile()) {
    const mode = (stats.mode & 0o100) === 0 ? 0o644 : 0o755;
    return [{ path: name, mode, holds: { file: folder, size: stats.size } }];
  }
  if (!stats.isDirectory()) throw new Error(`${folder} is no file or folder`);
  const inside = readdirSync(folder).sort();
  return [
    { path: name, mode: 0o755, holds: 'folder' },
    ...inside.flatMap((child) => folderEntries(join(folder, child), `${name}/${child}`)),
  ];
}
