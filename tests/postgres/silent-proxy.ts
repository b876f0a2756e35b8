import net from 'node:net';

/**
 * Carries connections to the socket of a PostgreSQL server. While it swallows, both sides stay connected and nothing gets
 * through, also not the end of a connection: as in a network that has failed without a word.
 */
export class SilentProxy {
  readonly #server: net.Server;
  readonly #pairs = new Set<readonly [client: net.Socket, target: net.Socket]>();
  #swallows = false;

  private constructor(path: string) {
    this.#server = net.createServer({ allowHalfOpen: true }, (client) => this.#carry(client, path));
  }

  static async start(path: string): Promise<SilentProxy> {
    const proxy = new SilentProxy(path);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  swallow(): void {
    this.#swallows = true;
  }

  /** Carries new connections again. Those that it swallowed are never carried again, and the server keeps its side. */
  carry(): void {
    this.#swallows = false;
    for (const [client] of this.#pairs) client.destroy();
  }

  stop(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#server.close();
  }

  #carry(client: net.Socket, path: string): void {
    const target = net.connect({ path, allowHalfOpen: true });
    const pair = [client, target] as const;
    this.#pairs.add(pair);
    // What began in silence stays silent.
    let lost = this.#swallows;
    const gone = (): boolean => {
      lost ||= this.#swallows;
      return lost;
    };
    const join = (from: net.Socket, to: net.Socket): void => {
      from.on('error', () => undefined);
      from.on('data', (data) => void (gone() || to.write(data)));
      from.on('end', () => void (gone() || to.end()));
      from.on('close', () => {
        if (gone()) return;
        to.destroy();
        this.#pairs.delete(pair);
      });
    };
    join(client, target);
    join(target, client);
  }
}
