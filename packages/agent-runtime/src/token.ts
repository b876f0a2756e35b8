import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { UsageError } from './failure.ts';

/** Sources of a token, in order of precedence. Null: not given. */
export interface TokenSources {
  /** File from an argument; `-` is standard input. */
  readonly argument: string | null;
  /** File from an environment variable. */
  readonly environmentFile: string | null;
  /** Token from an environment variable. */
  readonly environment: string | null;
}

/**
 * Returns the token, or null if none was given. After enrolment (`needed` false) a missing file is not an error, because the
 * token is no longer needed. Throws UsageError.
 */
export async function readToken(sources: TokenSources, stdin: Readable, needed: boolean): Promise<string | null> {
  if (sources.argument === '-') return blankToNull(await firstLine(stdin));
  const path = sources.argument ?? sources.environmentFile;
  if (path === null) return blankToNull(sources.environment ?? '');
  try {
    return blankToNull(await readFile(path, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !needed) return null;
    throw new UsageError(`the token file ${path} cannot be read (${code})`);
  }
}

/** Reads the first line but keeps the stream open. Its end shows that the parent process has ended. */
function firstLine(stream: Readable): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const done = (): void => resolve(text.split('\n', 1)[0] ?? '');
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      if (text.length < maxTokenLength) text += chunk;
      if (text.includes('\n')) done();
    });
    stream.once('end', done);
    stream.once('error', done);
  });
}

const maxTokenLength = 4_000;

function blankToNull(text: string): string | null {
  return text.trim() === '' ? null : text.trim();
}
