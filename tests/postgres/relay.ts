import net from 'node:net';

/** Stands between controllers and a PostgreSQL server, at an address of this host. */
export abstract class Relay {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  constructor(options: net.ServerOpts = {}) {
    this.#server = net.createServer(options, (client) => {
      const target = this.connect();
      for (const socket of [client, target]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.once('close', () => this.#sockets.delete(socket));
      }
      this.carry(client, target);
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  /** Connects to the server. */
  protected abstract connect(): net.Socket;

  /** Carries what both sides send. */
  protected abstract carry(client: net.Socket, target: net.Socket): void;
}

/** Ends both sides as soon as one of them has ended. */
export function endTogether(...sockets: readonly net.Socket[]): void {
  for (const socket of sockets) socket.once('close', () => sockets.map((each) => each.destroy()));
}
