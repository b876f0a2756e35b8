import { createSocket, type Socket } from 'node:dgram';
import { type Socket as Connection, createServer, isIPv6, type Server } from 'node:net';
import { DnsConnection } from './dns-connection.ts';
import { SourceLimits, type SourceShare } from './source-limits.ts';

/** Answers one query from an address; null: nothing is answered. */
export type Answering = (query: Buffer, source: string, over: 'udp' | 'tcp') => Promise<Buffer | null>;

/** Options of a DnsServer. */
export interface DnsServerOptions {
  /** What one source may take. Default: everything, because all queries come from this host. */
  readonly share?: SourceShare;
  /** Default 53. */
  readonly port?: number;
  /** Time that a connection may take for a query; default 10 seconds. */
  readonly patienceMs?: number;
}

const largestQuery = 512;
const mostPending = 1000;
const mostConnections = 200;
const everything: SourceShare = {
  pending: mostPending,
  perSecond: Number.POSITIVE_INFINITY,
  connections: mostConnections,
};

/**
 * Answers queries over UDP and TCP on port 53 of some addresses. Errors end a query or connection, nothing else. When
 * there are too many connections, the oldest one makes room.
 */
export class DnsServer {
  readonly #answering: Answering;
  readonly #known: (source: string) => boolean;
  readonly #limits: SourceLimits;
  readonly #port: number;
  readonly #patienceMs: number;
  readonly #sockets = new Map<string, { readonly udp: Socket; readonly tcp: Server }>();
  readonly #connections = new Set<Connection>();
  #pending = 0;

  /** Other sources than the `known` ones get no answer, and no connection. */
  constructor(known: (source: string) => boolean, answering: Answering, options: DnsServerOptions = {}) {
    this.#known = known;
    this.#answering = answering;
    this.#limits = new SourceLimits(options.share ?? everything);
    this.#port = options.port ?? 53;
    this.#patienceMs = options.patienceMs ?? 10_000;
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
    const where = { port: this.#port, exclusive: true };
    try {
      await new Promise<void>((resolve, reject) => {
        udp.once('error', reject);
        udp.bind({ address, ...where }, resolve);
      });
      await new Promise<void>((resolve, reject) => {
        tcp.once('error', reject);
        tcp.listen({ host: address, ...where }, resolve);
      });
    } catch (error) {
      udp.close();
      tcp.close();
      throw error;
    }
    for (const socket of [udp, tcp]) socket.removeAllListeners('error').on('error', () => {});
    udp.on('message', async (query, from) => {
      const answer = await this.#answer(query, from.address, 'udp');
      if (answer !== null) udp.send(answer, from.port, from.address, () => {});
    });
    this.#sockets.set(address, { udp, tcp });
  }

  #serve(connection: Connection): void {
    const source = connection.remoteAddress ?? '';
    connection.on('error', () => connection.destroy());
    if (!this.#known(source) || !this.#limits.connect(source)) return void connection.destroy();
    const [oldest] = this.#connections;
    if (this.#connections.size >= mostConnections) oldest?.destroy();
    this.#connections.add(connection);
    connection.on('close', () => {
      this.#connections.delete(connection);
      this.#limits.disconnect(source);
    });
    new DnsConnection(connection, { largest: largestQuery, patienceMs: this.#patienceMs }, (query) =>
      this.#answer(query, source, 'tcp'),
    );
  }

  async #answer(query: Buffer, source: string, over: 'udp' | 'tcp'): Promise<Buffer | null> {
    if (query.length > largestQuery || this.#pending >= mostPending || !this.#known(source)) return null;
    if (!this.#limits.begin(source, performance.now())) return null;
    this.#pending += 1;
    try {
      return await this.#answering(query, source, over);
    } catch {
      // The device asks again.
      return null;
    } finally {
      this.#pending -= 1;
      this.#limits.end(source);
    }
  }
}
