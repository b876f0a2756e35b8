import { excessOf, type JsonBounds } from '@sallyport/contract';
import type { FastifyInstance } from 'fastify';
import { ApiError } from '../errors.ts';

/** Largest body taken, in bytes. */
export const bodyLimit = 1024 * 1024;

/**
 * Bounds of a JSON body. The depth is far beyond any schema of ours and far below the limit of the stack. The most values
 * that a useful body of this size holds are references by id, 39 bytes each.
 */
const bounds: JsonBounds = { length: bodyLimit, commas: 50_000, depth: 64 };

const excesses = {
  length: 'The body is too long',
  depth: `The body is nested deeper than ${bounds.depth} levels`,
  commas: `The body holds more than ${bounds.commas} values`,
} as const;

/**
 * Installs a parser that reads only JSON in UTF-8. An empty body counts as none, whatever its Content-Type: many
 * clients send `application/json` with requests without a body.
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
  const excess = excessOf(text, bounds);
  if (excess !== null) throw new ApiError('malformed_json', excesses[excess]);
  try {
    return JSON.parse(text);
  } catch (error) {
    // V8 quotes the text around the mistake, which may hold a secret: only the place is passed on.
    const place = /position (\d+)/.exec(error instanceof Error ? error.message : '')?.[1];
    throw new ApiError('malformed_json', place === undefined ? undefined : `The mistake is at position ${place}`);
  }
}
