import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { OperatorError } from '../errors.ts';
import { syncDirectory } from '../secrets/master-key.ts';
import { isSystemError, systemReason } from '../system-error.ts';
import type { Pieces } from './bytes.ts';

/**
 * Writes a file for its owner only, completely or not at all: first under another name, then renamed once it is on
 * disk. Returns its length. Throws OperatorError.
 */
export async function writeWhole(path: string, pieces: Pieces, force: boolean): Promise<number> {
  const target = resolve(path);
  refuseTaken(path, force);
  const partial = join(dirname(target), `.${basename(target)}.${randomBytes(4).toString('hex')}.partial`);
  try {
    const bytes = await writeNew(partial, pieces);
    renameSync(partial, target);
    syncDirectory(dirname(target));
    return bytes;
  } catch (error) {
    throw isSystemError(error) ? new OperatorError(`${path} cannot be written: ${systemReason(error)}`) : error;
  } finally {
    rmSync(partial, { force: true });
  }
}

/** Throws OperatorError when a file exists and `force` is not set. */
export function refuseTaken(path: string, force: boolean): void {
  if (!force && existsSync(path))
    throw new OperatorError(`${path} already exists: choose another name, or add --force`);
}

/** Writes to a stream at the pace of its reader. Returns how many bytes. */
export async function writeStream(output: Writable, pieces: Pieces): Promise<number> {
  let bytes = 0;
  for await (const piece of pieces) {
    bytes += piece.length;
    if (!output.write(piece)) await once(output, 'drain');
  }
  await new Promise<void>((done, reject) => output.write('', (error) => (error ? reject(error) : done())));
  return bytes;
}

/** Writes pieces to a new file of the owner's alone and to the disk. Returns how many bytes. */
export async function writeNew(path: string, pieces: Pieces): Promise<number> {
  const file = await open(path, 'wx', 0o600);
  try {
    const bytes = await writeAll(file, pieces);
    await file.sync();
    return bytes;
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, pieces: Pieces): Promise<number> {
  let bytes = 0;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten;
    bytes += piece.length;
  }
  return bytes;
}
