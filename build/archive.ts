import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { folderEntries, type TarInput, writeTar } from '@sallyport/release/tar';

/**
 * Packs a folder as `.tar.xz`. Equal contents give equal bytes: entries are in order, belong to root, and have the time
 * `at` (epoch seconds). Permissions are 755 or 644.
 */
export async function packArchive(parent: string, folder: string, file: string, at: number): Promise<void> {
  await packEntries(folderEntries(join(parent, folder), folder), file, at);
}

/** Packs entries as `.tar.xz`. */
export async function packEntries(entries: readonly TarInput[], file: string, at: number): Promise<void> {
  // With any number of threads above one, xz cuts the same blocks.
  const xz = spawn('xz', ['-6', '-T2'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(xz, 'exit');
  const fed = pipeline(writeTar(entries, at), xz.stdin);
  await Promise.all([fed, pipeline(xz.stdout, createWriteStream(file)), ended]);
  if (xz.exitCode !== 0) throw new Error(`xz ended with ${xz.exitCode ?? xz.signalCode}`);
}

/** Returns the SHA-256 of a file in hexadecimal. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
