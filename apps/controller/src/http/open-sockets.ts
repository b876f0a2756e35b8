import type { Server, Socket } from 'node:net';

/**
 * The TCP connections of a server, from their accept on: also those that never finish a TLS handshake or a request, and
 * those that became WebSockets. The HTTP server forgets the latter and waits for the former.
 */
export class OpenSockets {
  readonly #open = new Set<Socket>();
  #cut = false;

  constructor(server: Server) {
    // An https server tells of the TCP connection here, before TLS has begun on it.
    server.prependListener('connection', (socket) => this.#opened(socket));
  }

  get size(): number {
    return this.#open.size;
  }

  /** Ends every connection after this many milliseconds, and every new one from then on. */
  cutAfter(graceMs: number): void {
    setTimeout(() => {
      this.#cut = true;
      for (const socket of this.#open) socket.destroy();
    }, graceMs).unref();
  }

  #opened(socket: Socket): void {
    if (this.#cut) return void socket.destroy();
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
  }
}

/** How long requests under way, and agents that are told goodbye, may take once the controller stops. */
export const stopGraceMs = 1_000;
