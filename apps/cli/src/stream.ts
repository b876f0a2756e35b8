import { exitCodes, Failure } from './failure.ts';

/** One line, or one server-sent event. */
export interface Piece {
  /** undefined: an event without data, which only says where the stream stands. */
  readonly text: string | undefined;
  /** Id of the event, or of the last one that had one. */
  readonly id: string | undefined;
}

/** Lines that hold something, of text that arrives in chunks cut anywhere; a last line without an end counts. */
export async function* lines(chunks: AsyncIterable<string>): AsyncGenerator<Piece> {
  for await (const text of rawLines(chunks)) if (text !== '') yield { text, id: undefined };
}

/**
 * Server-sent events (HTML Living Standard, section 9.2) that carry data or a new id. Comments, fields that are not
 * known, and an event that the end cuts off are left out.
 */
export async function* events(chunks: AsyncIterable<string>): AsyncGenerator<Piece> {
  let id: string | undefined;
  let told: string | undefined;
  let data: string[] = [];
  for await (const line of rawLines(chunks)) {
    if (line === '') {
      if (data.length > 0 || id !== told) yield { text: data.length > 0 ? data.join('\n') : undefined, id };
      told = id;
      data = [];
      continue;
    }
    const [, field, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === 'data') data.push(value);
    else if (field === 'id') id = value;
  }
}

async function* rawLines(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of chunks) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > MOST_CHARACTERS)
      throw new Failure(exitCodes.failed, 'A line of the answer is too long, and is not read');
    for (const part of parts) yield part.replace(/\r$/, '');
  }
  if (rest !== '') yield rest;
}

const MOST_CHARACTERS = 16 << 20;
