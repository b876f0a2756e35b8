import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { LocalReply, LocalRequest } from '@sallyport/contract/local';

/** A connection to the daemon. It loads no schemas: answers of our own daemon are trusted to have their type. */
export class LocalConnection {
  readonly #socket: Socket;
  readonly #lines: string[] = [];
  #text = '';
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (data: string) => {
      const parts = (this.#text + data).split('\n');
      this.#text = parts.pop() ?? '';
      this.#lines.push(...parts);
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Connects to the daemon; null when no daemon listens. Rejects when a daemon listens and access is denied. */
  static open(stateDir: string): Promise<LocalConnection | null> {
    return new Promise((resolve, reject) => {
      const socket = connect(join(stateDir, socketFile));
      socket.once('connect', () => {
        socket.removeAllListeners('error');
        resolve(new LocalConnection(socket));
      });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        if (nobody.has(error.code ?? '')) resolve(null);
        else reject(error);
      });
    });
  }

  send(request: LocalRequest): void {
    this.#socket.write(`${JSON.stringify(request)}\n`);
  }

  /** Returns the next reply; null when the daemon has closed the connection. */
  async next(): Promise<LocalReply | null> {
    while (this.#lines.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const line = this.#lines.shift();
    return line === undefined ? null : (JSON.parse(line) as LocalReply);
  }

  async ask(request: LocalRequest): Promise<LocalReply | null> {
    this.send(request);
    return this.next();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Same as `socketName` of the contract. */
export const socketFile = 'client.sock';
const nobody = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED']);
