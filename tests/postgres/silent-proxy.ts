import net from 'node:net';
import { Relay } from './relay.ts';

/**
 * Carries connections to the socket of a PostgreSQL server. While it swallows, both sides stay connected and nothing gets
 * through, also not the end of a connection: as in a network that has failed without a word.
 */
export class SilentProxy extends Relay {
  readonly #path: string;
  readonly #clients = new Set<net.Socket>();
  #swallows = false;

  private constructor(path: string) {
    super({ allowHalfOpen: true });
    this.#path = path;
  }

  static start(path: string): Promise<SilentProxy> {
    return new SilentProxy(path).listen();
  }

  swallow(): void {
    this.#swallows = true;
  }

  /** Carries new connections again. Those that it swallowed are never carried again, and the server keeps its side. */
  carryOn(): void {
    this.#swallows = false;
    for (const client of this.#clients) client.destroy();
  }

  protected connect(): net.Socket {
    return net.connect({ path: this.#path, allowHalfOpen: true });
  }

  protected carry(client: net.Socket, target: net.Socket): void {
    // What began in silence stays silent.
    let lost = this.#swallows;
    const gone = (): boolean => {
      lost ||= this.#swallows;
      return lost;
    };
    this.#clients.add(client);
    client.once('close', () => this.#clients.delete(client));
    const join = (from: net.Socket, to: net.Socket): void => {
      from.on('data', (data) => void (gone() || to.write(data)));
      from.on('end', () => void (gone() || to.end()));
      from.on('close', () => void (gone() || to.destroy()));
    };
    join(client, target);
    join(target, client);
  }
}
