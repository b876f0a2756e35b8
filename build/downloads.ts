import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A file of others that goes into a package. */
export interface Download {
  /** Name of the file in the cache, with its version. */
  readonly file: string;
  readonly algorithm: 'sha256' | 'sha512';
  /** Expected digest, in hexadecimal. */
  readonly digest: string;
  /** Puts the file into a folder, which is empty. Its name there does not matter. */
  readonly fetch: (folder: string) => Promise<string>;
  /** Advice for a machine that cannot download. */
  readonly advice: string;
}

/** Returns the path of a file with the expected digest. It is downloaded once, and checked at each use. */
export async function fromCache(cache: string, download: Download): Promise<string> {
  const file = join(cache, download.file);
  if (existsSync(file) && digestOf(file, download.algorithm) === download.digest) return file;
  const partial = join(cache, `${download.file}.${process.pid}`);
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    const fetched = await fetchInto(partial, download);
    const digest = digestOf(fetched, download.algorithm);
    if (digest !== download.digest)
      throw new Error(`${download.file} has the ${download.algorithm} ${digest} instead of ${download.digest}`);
    renameSync(fetched, file);
    return file;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

async function fetchInto(folder: string, { file, fetch, advice }: Download): Promise<string> {
  try {
    return await fetch(folder);
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    const reason = (stderr || message).trim().split('\n').slice(-3).join('\n');
    throw new Error(`${file} could not be downloaded:\n${reason}\n${advice}`);
  }
}

function digestOf(file: string, algorithm: 'sha256' | 'sha512'): string {
  return createHash(algorithm).update(readFileSync(file)).digest('hex');
}

/** Runs a program of the system. Its output in an error is that of the program. */
export async function runTool(program: string, args: readonly string[], cwd: string): Promise<string> {
  // Downloads end by themselves: a registry that does not answer is no reason to wait for an hour.
  const { stdout } = await run(program, args, { cwd, timeout: 600_000, maxBuffer: 16 * 1024 * 1024 });
  return stdout;
}
