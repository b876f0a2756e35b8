import { spawn } from 'node:child_process';
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { lstat, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ReleaseError } from './error.ts';
import { readTar, type TarEntry, type TarLimits } from './tar-read.ts';
import { openArchive, type Release, wrongSum } from './verify.ts';
import { folderName } from './version.ts';

/** Bounds of what an archive may hold. A package has about 400 entries and 150 MB. */
export const unpackLimits: TarLimits = { entries: 5000, bytes: 1024 * 1024 * 1024 };

/**
 * Unpacks a verified release as the folder `target`, which must not exist. The folder appears whole or not at all: it is
 * written beside its place, flushed to disk, and renamed. The sum is checked again over the bytes that were read. What a
 * killed process left is removed by the next call with the same target. One process at a time may unpack to a target.
 */
export async function unpackRelease(release: Release, target: string, limits: TarLimits = unpackLimits): Promise<void> {
  if ((await lstat(target).catch(() => null)) !== null) throw new ReleaseError('exists', `${target} exists already`);
  const parent = dirname(target);
  const partial = join(parent, `.${basename(target)}.partial`);
  await rm(partial, { recursive: true, force: true });
  try {
    await mkdir(partial, { recursive: true, mode: 0o755 });
    await unpackTo(partial, release, limits);
    await checkVersion(partial, release.version);
    await flush(partial);
    await rename(partial, target);
    await flush(parent);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw explain(error, parent);
  }
}

function explain(error: unknown, parent: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new ReleaseError('no_space', `the disk of ${parent} is full`);
  return error;
}

async function unpackTo(partial: string, release: Release, limits: TarLimits): Promise<void> {
  const top = folderName(release.version, release.processor);
  await using archive = await openArchive(release.file);
  const hash = createHash('sha256');
  const source = archive.createReadStream({ start: 0, autoClose: false });
  const folders: string[] = [];
  for await (const entry of readTar(decompress(source, hash), top, limits)) {
    const path = join(partial, entry.path.slice(top.length));
    if (entry.type === 'file') await writeEntry(path, entry);
    else {
      if (entry.path !== top) await mkdir(path, { mode: 0o755 });
      folders.push(path);
    }
  }
  if (hash.digest('hex') !== release.sum) throw wrongSum(release.file);
  for (const folder of folders) await flush(folder);
}

async function writeEntry(path: string, { isProgram, content }: TarEntry): Promise<void> {
  await using file = await open(path, 'wx', isProgram ? 0o755 : 0o644);
  for await (const part of content) await file.writeFile(part);
  await file.chmod(isProgram ? 0o755 : 0o644);
  await file.sync();
}

async function flush(folder: string): Promise<void> {
  await using handle = await open(folder, 'r');
  await handle.sync();
}

const xzArguments = ['--decompress', '--stdout', '--format=xz', '--memlimit-decompress=256MiB', '--quiet'];

/** Yields the unpacked bytes of an xz stream, and feeds `hash` with the packed ones. */
async function* decompress(source: NodeJS.ReadableStream, hash: Hash): AsyncGenerator<Buffer> {
  const xz = spawn('xz', xzArguments, { stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = new Promise<number | null>((resolve) => {
    xz.on('exit', (code) => resolve(code));
    xz.on('error', () => resolve(null));
  });
  const tap = new Transform({
    transform(chunk, _, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  // Ignored: when xz ends early, its exit code tells.
  const fed = pipeline(source, tap, xz.stdin).catch(() => undefined);
  try {
    await Promise.race([once(xz, 'spawn'), ended]);
    if (xz.pid === undefined) throw new ReleaseError('no_xz', 'the program xz is missing: install xz or xz-utils');
    yield* xz.stdout;
    await fed;
    if ((await ended) !== 0) throw new ReleaseError('damaged', 'the archive is cut or damaged');
  } finally {
    xz.kill('SIGKILL');
    await Promise.all([ended, fed]);
  }
}

async function checkVersion(folder: string, version: string): Promise<void> {
  let found: unknown;
  try {
    found = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')).version;
  } catch {
    throw new ReleaseError('damaged', 'the archive holds no package.json');
  }
  if (found !== version)
    throw new ReleaseError('damaged', `the archive is named ${version} and holds version ${JSON.stringify(found)}`);
}
