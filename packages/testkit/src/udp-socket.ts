import type { Host } from './host.ts';
import type { Received } from './host-sockets.ts';
import { uniqueTag } from './netns.ts';
import { until } from './wait.ts';

/** One UDP socket of a host, driven by the test, with all received datagrams. */
export class UdpSocket {
  readonly port: number;
  readonly #host: Host;
  readonly #id: string;

  private constructor(host: Host, id: string, port: number) {
    this.#host = host;
    this.#id = id;
    this.port = port;
  }

  /** Makes the socket answer every datagram with its source address and port. */
  static async open(
    host: Host,
    { address = '0.0.0.0', port = 0, mirror = false }: { address?: string; port?: number; mirror?: boolean } = {},
  ): Promise<UdpSocket> {
    const id = uniqueTag();
    return new UdpSocket(host, id, (await host.call({ op: 'socket-open', id, address, port, mirror })) as number);
  }

  /** `to` is `address:port`. */
  async send(to: string, text = 'hello'): Promise<void> {
    const [address = '', port] = to.split(':');
    await this.#host.call({ op: 'socket-send', id: this.#id, address, port: Number(port), text });
  }

  inbox(): Promise<Received[]> {
    return this.#host.call({ op: 'socket-inbox', id: this.#id }) as Promise<Received[]>;
  }

  /** Waits for a datagram with this text and returns its source. */
  heard(text: string, timeoutMs = 2000): Promise<string> {
    const find = async () => (await this.inbox()).find((received) => received.text === text)?.from;
    return until(`a datagram "${text}"`, find, { timeoutMs, everyMs: 10 });
  }

  /** Returns the source address and port of this socket as a mirror at `to` sees them. */
  async seenBy(to: string, timeoutMs = 2000): Promise<string> {
    const before = (await this.inbox()).length;
    await this.send(to);
    const find = async () => (await this.inbox()).slice(before).find(({ from }) => from === to)?.text;
    return until(`the answer of the mirror ${to}`, find, { timeoutMs, everyMs: 10 });
  }

  async close(): Promise<void> {
    await this.#host.call({ op: 'socket-close', id: this.#id });
  }
}
