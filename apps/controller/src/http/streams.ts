import { Readable } from 'node:stream';
import type { Operation } from '@sallyport/contract';
import { within } from '@sallyport/program';
import type { FastifyReply } from 'fastify';
import { ApiError, invalidField } from '../errors.ts';
import { breathe } from '../slices.ts';

/** The answer of an operation with `stream`: pieces in batches, read only as fast as the client takes them. */
export interface StreamAnswer<P> {
  readonly batches: AsyncIterable<readonly P[]>;
  /** Server-Sent Events only: where the stream begins, and where it stands after a piece, for Last-Event-ID. */
  readonly position?: { readonly start: string; readonly after: (piece: P) => string };
}

/** Times that bound a stream, milliseconds. */
export interface StreamLimits {
  /** Server-Sent Events: a comment is sent this often, so that no proxy takes the connection for dead. */
  readonly heartbeatMs: number;
  /** A client that reads nothing for this long is disconnected. */
  readonly stallMs: number;
}

/** Limits of streams outside tests. */
export const streamLimits: StreamLimits = { heartbeatMs: 15_000, stallMs: 60_000 };

/** What a stream is sent with. */
export interface StreamDeps {
  readonly limits: StreamLimits;
  /** Returns false once the caller may not read on. Called before anything is sent. */
  readonly stillAllowed: () => Promise<boolean>;
}

/** Returns the revision after which a stream starts: that of Last-Event-ID, else that of the query, else null. */
export function startOf(lastEventId: string | null, { since = null }: { since?: number | null | undefined }) {
  if (lastEventId === null) return since;
  if (!/^\d{1,15}$/.test(lastEventId)) throw invalidField('header/last-event-id', 'must be the id of an event');
  return Number(lastEventId);
}

/** Streams that are being answered: they end when their client goes away and when the controller stops. */
export class OpenStreams {
  readonly #open = new Set<AbortController>();
  #ended = false;

  get size(): number {
    return this.#open.size;
  }

  /** Ends all streams and accepts no more. */
  endAll(): void {
    this.#ended = true;
    for (const stream of this.#open) stream.abort();
  }

  /** Sends the stream until it ends or the client disconnects. Throws failures before the first byte. */
  async serve<P>(
    operation: Operation,
    reply: FastifyReply,
    deps: StreamDeps,
    begin: (signal: AbortSignal) => Promise<StreamAnswer<P>>,
  ): Promise<FastifyReply> {
    if (this.#ended) throw new ApiError('unavailable', 'The controller is stopping');
    const end = new AbortController();
    this.#open.add(end);
    const closed = () => {
      this.#open.delete(end);
      end.abort();
    };
    reply.raw.once('close', closed);
    try {
      const answer = await begin(end.signal);
      const texts = textOf(operation, answer, deps, end.signal);
      const first = await texts.next();
      const cut = () => reply.raw.destroy();
      const body = Readable.from(watched(first, texts, deps.limits.stallMs, cut), { objectMode: false });
      reply
        .code(operation.status)
        .headers(headers)
        .type(contentTypes[operation.stream ?? 'ndjson']);
      return reply.send(body);
    } catch (error) {
      reply.raw.off('close', closed);
      closed();
      throw error;
    }
  }
}

/** Media types of the two kinds of streams. */
export const contentTypes = {
  ndjson: 'application/x-ndjson; charset=utf-8',
  sse: 'text/event-stream; charset=utf-8',
} as const;

/**
 * Proxies that collect answers before they pass them on are asked not to. The connection ends with the stream: a
 * controller that stops would have to wait for it otherwise.
 */
const headers = { 'x-accel-buffering': 'no', connection: 'close' };

const textOf = <P>(operation: Operation, answer: StreamAnswer<P>, deps: StreamDeps, signal: AbortSignal) =>
  operation.stream === 'sse' ? eventText(operation, answer, deps, signal) : lineText(operation, answer, deps, signal);

/** Serialised by the schema, like every answer. */
const pieceText = ({ response }: Operation, piece: unknown): string => JSON.stringify(response?.parse(piece));

async function* lineText<P>(
  operation: Operation,
  { batches }: StreamAnswer<P>,
  { stillAllowed }: StreamDeps,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for await (const batch of batches) {
    if (signal.aborted) return;
    if (batch.length === 0) continue;
    if (!(await stillAllowed())) throw new Error('the caller has lost the right to read on');
    yield batch.map((piece) => `${pieceText(operation, piece)}\n`).join('');
    await breathe();
  }
}

/** How long clients wait before they reconnect, milliseconds. */
const retryMs = 2000;

async function* eventText<P>(
  operation: Operation,
  { batches, position }: StreamAnswer<P>,
  { limits, stillAllowed }: StreamDeps,
  signal: AbortSignal,
): AsyncGenerator<string> {
  // An id without data is no event, but the client resumes from it when nothing else arrives.
  yield `retry: ${retryMs}\n${position === undefined ? '' : `id: ${position.start}\n`}\n`;
  const iterator = batches[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (;;) {
      const result = await within(next, limits.heartbeatMs);
      if (signal.aborted || result?.done || !(await stillAllowed())) return;
      if (result === null) yield ': still here\n\n';
      else {
        const id = (piece: P) => (position === undefined ? '' : `id: ${position.after(piece)}\n`);
        const text = result.value.map((piece: P) => `${id(piece)}data: ${pieceText(operation, piece)}\n\n`).join('');
        if (text !== '') yield text;
        next = iterator.next();
      }
    }
  } finally {
    // Not waited for: it may wait for the next event until the connection is closed, which comes after this.
    next.catch(() => undefined);
    iterator.return?.().catch(() => undefined);
  }
}

/** Passes texts on and calls `cut` when the reader does not ask for the next one in time. */
async function* watched(
  first: IteratorResult<string>,
  texts: AsyncGenerator<string>,
  stallMs: number,
  cut: () => void,
): AsyncGenerator<string> {
  try {
    for (let next = first; !next.done; next = await texts.next()) {
      const timer = setTimeout(cut, stallMs);
      try {
        yield next.value;
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    await texts.return(undefined);
  }
}
