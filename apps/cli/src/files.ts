import { randomUUID } from 'node:crypto';
import { access, chmod, link, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exitCodes, Failure } from './failure.ts';

/** Reads a text file; undefined when it does not exist. Any other error is a `Failure` that names the path. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw fileFailure('read', path, error);
  }
}

/** Returns whether a path exists. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Writes a file that only its owner can read (0600), completely or not at all. `replace: false` refuses an existing
 * path, also when another process creates it at the same moment.
 */
export async function writeSecret(path: string, text: string, { replace }: { replace: boolean }): Promise<void> {
  const staged = stagedPath(path);
  try {
    await attempt('write', path, () => writeNew(staged, text));
    await attempt('write', path, () => (replace ? rename(staged, path) : link(staged, path)));
  } finally {
    await rm(staged, { force: true });
  }
}

/** A secret that is on the disk next to its final path. */
export interface StagedSecret {
  /** Its path until `commit`. */
  readonly path: string;
  /** Writes `text` to the final path. */
  commit(text: string, options: { replace: boolean }): Promise<void>;
  discard(): Promise<void>;
}

/** Writes `text` (0600) next to `path` under a unique name. */
export async function stageSecret(path: string, text: string): Promise<StagedSecret> {
  const staged = stagedPath(path);
  await attempt('write', path, () => writeNew(staged, text));
  return {
    path: staged,
    async commit(final, options) {
      await writeSecret(path, final, options);
      await rm(staged, { force: true });
    },
    discard: () => rm(staged, { force: true }),
  };
}

/** Creates a folder that only its owner can enter, unless it exists. */
export async function makePrivateFolder(path: string): Promise<void> {
  await attempt('make', path, async () => {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await chmod(path, 0o700);
  });
}

/** Returns the code of a system error, such as `ENOENT`; empty when the error has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

const stagedPath = (path: string): string => join(dirname(path), `.${randomUUID()}.partial`);

async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function attempt(verb: string, path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw fileFailure(verb, path, error);
  }
}

function fileFailure(verb: string, path: string, error: unknown): Failure {
  const code = codeOf(error);
  if (code === 'EEXIST')
    return new Failure(exitCodes.conflict, `${path} already exists`, { hint: 'Use --force to replace it.' });
  const reasons: Record<string, string> = {
    ENOENT: 'no such file or folder',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of the path is not a folder',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
  };
  return new Failure(exitCodes.failed, `Cannot ${verb} ${path}: ${reasons[code] ?? (code || String(error))}`);
}
