import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, createReadStream, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Packs a folder as `.tar.xz`. Equal contents give equal bytes: entries are in order, belong to root, and have the time
 * `at` (epoch seconds). Permissions are 755 or 644.
 */
export async function packArchive(parent: string, folder: string, file: string, at: number): Promise<void> {
  settleModes(join(parent, folder));
  const tar = ['--sort=name', `--mtime=@${at}`, '--owner=0', '--group=0', '--numeric-owner', '--format=gnu'];
  // With any number of threads above one, xz cuts the same blocks.
  await run('tar', [...tar, '--use-compress-program=xz -6 -T2', '-cf', file, '-C', parent, folder]);
}

/** Permissions must not depend on the umask of the machine that builds. */
function settleModes(path: string): void {
  const stats = lstatSync(path);
  const isOpen = stats.isDirectory() || (stats.mode & 0o100) !== 0;
  chmodSync(path, isOpen ? 0o755 : 0o644);
  if (stats.isDirectory()) for (const name of readdirSync(path)) settleModes(join(path, name));
}

/** Returns the SHA-256 of a file in hexadecimal. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
