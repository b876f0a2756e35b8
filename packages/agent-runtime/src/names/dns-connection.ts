import type { Socket } from 'node:net';

/** Bytes of answers that the peer may leave unread. */
const mostUnread = 65_536;

/** Bounds on a query. */
export interface QueryBounds {
  /** Bytes. */
  readonly largest: number;
  /** Time in which it must have arrived, after the last one got its answer. */
  readonly patienceMs: number;
}

/**
 * Serves one query after another of a TCP connection, and reads no further while one waits. A query without an answer
 * ends the connection, and so does a peer that sends slowly or does not read.
 */
export class DnsConnection {
  readonly #socket: Socket;
  readonly #largest: number;
  readonly #answer: (query: Buffer) => Promise<Buffer | null>;
  #held: Buffer = Buffer.alloc(0);
  #busy = false;
  #timer: NodeJS.Timeout;

  /** `answer` never rejects. */
  constructor(socket: Socket, bounds: QueryBounds, answer: (query: Buffer) => Promise<Buffer | null>) {
    this.#socket = socket;
    this.#largest = bounds.largest;
    this.#answer = answer;
    // Not the socket's own timeout, which every byte would extend.
    this.#timer = setTimeout(() => socket.destroy(), bounds.patienceMs);
    socket.on('close', () => clearTimeout(this.#timer));
    socket.on('data', (data) => {
      this.#held = Buffer.concat([this.#held, data]);
      if (!this.#busy) void this.#serve();
    });
  }

  async #serve(): Promise<void> {
    this.#busy = true;
    this.#socket.pause();
    for (let query = this.#next(); query !== null && !this.#socket.destroyed; query = this.#next()) {
      const answer = await this.#answer(query);
      if (answer === null || this.#socket.writableLength > mostUnread) return void this.#socket.destroy();
      const length = Buffer.alloc(2);
      length.writeUInt16BE(answer.length);
      this.#socket.write(Buffer.concat([length, answer]));
      this.#timer.refresh();
    }
    this.#busy = false;
    this.#socket.resume();
  }

  /** Returns the next whole query; null: it has not arrived yet, or is too large. */
  #next(): Buffer | null {
    if (this.#held.length < 2) return null;
    const size = this.#held.readUInt16BE(0);
    if (size > this.#largest) this.#socket.destroy();
    if (size > this.#largest || this.#held.length < size + 2) return null;
    const query = this.#held.subarray(2, size + 2);
    this.#held = this.#held.subarray(size + 2);
    return query;
  }
}
