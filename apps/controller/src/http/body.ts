import type { FastifyInstance } from 'fastify';
import { ApiError } from '../errors.ts';

/** Largest body taken, in bytes. */
export const bodyLimit = 1024 * 1024;

/** Deepest nesting taken: far beyond any schema of ours, far below what exhausts the stack of whoever walks it. */
const depthLimit = 64;

/**
 * Only JSON in UTF-8 is read. An empty body is none, whatever its Content-Type says: many clients send
 * `application/json` with requests that carry nothing.
 */
export function installBodyParser(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer', bodyLimit }, (_request, bytes, done) => {
    try {
      done(null, bytes.length === 0 ? undefined : parseJson(bytes));
    } catch (error) {
      done(error as Error);
    }
  });
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parseJson(bytes: Buffer): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new ApiError('malformed_json', 'The body is not valid UTF-8');
  }
  if (isDeep(text)) throw new ApiError('malformed_json', `The body is nested deeper than ${depthLimit} levels`);
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 quotes the text around the mistake, which may hold a secret: only the place is passed on.
    const place = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    throw new ApiError('malformed_json', place === undefined ? undefined : `The mistake is at position ${place}`);
  }
}

/** Counts brackets outside of strings: cheap, and before anything recursive sees the text. */
function isDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (inString) {
      if (character === '\\') at++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{' || character === '[') {
      if (++depth > depthLimit) return true;
    } else if (character === '}' || character === ']') depth--;
  }
  return false;
}
