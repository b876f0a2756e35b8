import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestApp } from './harness.ts';

/** One Server-Sent Event, or a comment. */
export interface StreamEvent {
  readonly id?: string;
  readonly data?: string;
  readonly comment?: string;
}

export interface EventStream {
  /** The next event or comment; null when the stream is over. */
  next(): Promise<StreamEvent | null>;
  close(): void;
}

/** Lets the app listen on loopback; returns its URL. */
export async function listen({ app }: TestApp): Promise<string> {
  if (!app.server.server.listening) await app.server.listen({ host: '127.0.0.1', port: 0 });
  return `http://127.0.0.1:${(app.server.server.address() as AddressInfo).port}`;
}

/** Opens a stream of events over a connection of its own. `key`: null for one with the cookie in `headers`. */
export async function openEvents(
  url: string,
  key: string | null,
  headers: Readonly<Record<string, string>> = {},
): Promise<EventStream> {
  const request = get(url, { agent: false, headers: { ...(key === null ? {} : { apikey: key }), ...headers } });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.headers['content-type'], 'text/event-stream; charset=utf-8');
  const blocks = blocksOf(answer.setEncoding('utf8'));
  return {
    next: async () => {
      const { done, value } = await blocks.next();
      return done ? null : parse(value);
    },
    close: () => request.destroy(),
  };
}

async function* blocksOf(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  try {
    for await (const text of texts) {
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop() ?? '';
      yield* blocks;
    }
  } catch {
    // The connection was cut, by either side.
  }
}

function parse(block: string): StreamEvent {
  const event: Record<string, string> = {};
  for (const line of block.split('\n')) {
    const at = line.indexOf(':');
    event[line.slice(0, at) || 'comment'] = line.slice(at + 1).trimStart();
  }
  return event;
}
