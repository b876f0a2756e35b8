import { createSocket, type Socket } from 'node:dgram';
import { type Socket as Connection, createServer, isIPv6, type Server } from 'node:net';

/** Answers one query from an address; null: nothing is answered. */
export type Answering = (query: Buffer, source: string, over: 'udp' | 'tcp') => Promise<Buffer | null>;

const port = 53;
const largestQuery = 512;
const mostPending = 1000;
const mostConnections = 200;
const connectionMs = 10_000;

/** Answers queries over UDP and TCP on port 53 of some addresses. Errors end a query or connection, nothing else. */
export class DnsServer {
  readonly #answering: Answering;
  readonly #known: (source: string) => boolean;
  readonly #sockets = new Map<string, { readonly udp: Socket; readonly tcp: Server }>();
  readonly #connections = new Set<Connection>();
  #pending = 0;

  /** Other sources than the `known` ones get no answer. */
  constructor(known: (source: string) => boolean, answering: Answering) {
    this.#known = known;
    this.#answering = answering;
  }

  /** Listens on exactly these addresses. Throws when one cannot be listened on; the next call tries again. */
  async listen(addresses: readonly string[]): Promise<void> {
    for (const [address, { udp, tcp }] of this.#sockets)
      if (!addresses.includes(address)) {
        this.#sockets.delete(address);
        udp.close();
        tcp.close();
      }
    for (const address of addresses) if (!this.#sockets.has(address)) await this.#open(address);
  }

  async close(): Promise<void> {
    await this.listen([]);
    for (const connection of this.#connections) connection.destroy();
  }

  async #open(address: string): Promise<void> {
    const udp = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    const tcp = createServer((connection) => this.#serve(connection));
    tcp.maxConnections = mostConnections;
    try {
      await new Promise<void>((resolve, reject) => {
        udp.once('error', reject);
        udp.bind({ address, port, exclusive: true }, resolve);
      });
      await new Promise<void>((resolve, reject) => {
        tcp.once('error', reject);
        tcp.listen({ host: address, port, exclusive: true }, resolve);
      });
    } catch (error) {
      udp.close();
      tcp.close();
      throw error;
    }
    for (const socket of [udp, tcp]) socket.removeAllListeners('error').on('error', () => {});
    udp.on('message', (query, from) => {
      void this.#answer(query, from.address, 'udp', (answer) => udp.send(answer, from.port, from.address, () => {}));
    });
    this.#sockets.set(address, { udp, tcp });
  }

  /** Serves one query after another of a connection. */
  #serve(connection: Connection): void {
    const source = connection.remoteAddress ?? '';
    this.#connections.add(connection);
    connection.on('error', () => connection.destroy());
    connection.on('close', () => this.#connections.delete(connection));
    connection.setTimeout(connectionMs, () => connection.destroy());
    let held = Buffer.alloc(0);
    connection.on('data', (data) => {
      held = Buffer.concat([held, data]);
      while (held.length >= 2) {
        const size = held.readUInt16BE(0);
        if (size > largestQuery || !this.#known(source)) return void connection.destroy();
        if (held.length < size + 2) return;
        const query = held.subarray(2, size + 2);
        held = held.subarray(size + 2);
        void this.#answer(query, source, 'tcp', (answer) => {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(answer.length);
          connection.write(Buffer.concat([length, answer]));
        });
      }
    });
  }

  async #answer(query: Buffer, source: string, over: 'udp' | 'tcp', send: (answer: Buffer) => void): Promise<void> {
    if (query.length > largestQuery || this.#pending >= mostPending || !this.#known(source)) return;
    this.#pending += 1;
    try {
      const answer = await this.#answering(query, source, over);
      if (answer !== null) send(answer);
    } catch {
      // The device asks again.
    } finally {
      this.#pending -= 1;
    }
  }
}
