import type { Server, Socket } from 'node:net';

/**
 * The accepted TCP connections of a server, including unfinished TLS handshakes and requests, and WebSockets. The HTTP
 * server would wait for the former and forgets the latter.
 */
export class OpenSockets {
  readonly #open = new Set<Socket>();
  #cut = false;

  constructor(server: Server) {
    // An https server emits this for the TCP connection, before TLS begins.
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

/** Time that open requests and connected agents get to finish once the controller stops. */
export const stopGraceMs = 1_000;
