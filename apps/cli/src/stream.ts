import { exitCodes, Failure } from './failure.ts';

/** One line, or one server-sent event. */
export interface Piece {
  /** Undefined for an event without data, which only reports the position of the stream. */
  readonly text: string | undefined;
  /** Id of the event, or of the last event that had one. */
  readonly id: string | undefined;
}

/** Returns non-empty lines of text that arrives in arbitrary chunks. A last line without a line end counts. */
export async function* lines(chunks: AsyncIterable<string>): AsyncGenerator<Piece> {
  for await (const text of rawLines(chunks)) if (text !== '') yield { text, id: undefined };
}

/**
 * Returns server-sent events (HTML Living Standard, section 9.2) that carry data or a new id. Comments, unknown fields
 * and a truncated last event are ignored.
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
      throw new Failure(exitCodes.failed, 'A line of the answer is too long and was not read');
    for (const part of parts) yield part.replace(/\r$/, '');
  }
  if (rest !== '') yield rest;
}

const MOST_CHARACTERS = 16 << 20;
