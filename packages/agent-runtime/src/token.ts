import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { UsageError } from './failure.ts';

/** Where a token may come from, best first. Null: not given. */
export interface TokenSources {
  /** A file that an argument named; `-` is standard input. */
  readonly argument: string | null;
  /** A file that an environment variable names. */
  readonly environmentFile: string | null;
  /** An environment variable that is the token. */
  readonly environment: string | null;
}

/**
 * The token, or null when none was given. Once enrolled (`needed` false) a file that is gone is no error: the token has done
 * its duty. Throws UsageError.
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

/** Leaves the stream open and flowing: its end tells that whoever started us is gone. */
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
