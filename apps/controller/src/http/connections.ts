import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { sourcesOf } from '../channel/source-limits.ts';
import { ApiError } from '../errors.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import { SourceCounts } from './source-counts.ts';

/** What the guard of connections needs. */
export interface ConnectionsDeps {
  readonly limits: ConnectionLimits;
  readonly log: Pick<FastifyBaseLogger, 'warn'>;
  /** Returns true for an address of a trusted proxy, whose connections carry many sources. */
  readonly isProxy: (address: string) => boolean;
  /** Returns the source address of a request. It decides which proxies to believe. */
  readonly sourceAddress: (request: IncomingMessage) => string;
  readonly clock: () => number;
}

interface Connection {
  readonly socket: Socket;
  readonly proxied: boolean;
  /** From narrow to wide; empty while a proxy has sent no request on it. */
  sources: readonly string[];
  /** Requests that are not answered. */
  readonly requests: Set<IncomingMessage>;
  upgraded: boolean;
  /** When its present activity began, epoch milliseconds. */
  since: number;
  proven: boolean;
  /** Its source is at its limit, and this connection is behind a proxy. */
  over: boolean;
}

/**
 * Bounds the connections of the listener, in total and for each source. At the limit, the source with the most
 * connections loses an idle one before another source is refused. Authenticated agents count for no source.
 */
export class Connections {
  readonly #deps: ConnectionsDeps;
  readonly #bySocket = new WeakMap<Duplex, Connection>();
  readonly #byPeer = new Map<string, Connection>();
  readonly #sources = new SourceCounts<Connection>();
  readonly #unproven = new Set<Connection>();
  /** Idle connections of sources that never authenticated; longest idle first. */
  readonly #idle = new Set<Connection>();
  /** Other connections of these sources, in the order in which their activity began. */
  readonly #begun = new Set<Connection>();
  readonly #known = new Set<string>();
  #proven = 0;
  #toldAt = Number.NEGATIVE_INFINITY;
  readonly counters = { refused: 0, evicted: 0 };

  constructor(deps: ConnectionsDeps) {
    this.#deps = deps;
  }

  get open(): number {
    return this.#unproven.size + this.#proven;
  }

  follow(server: HttpServer): void {
    server.prependListener('connection', (socket: Socket) => this.#arrived(socket));
    // Requests over TLS come from this socket; it has the ends of the one below it.
    server.on('secureConnection' as 'connection', (socket) => {
      const connection = this.#byPeer.get(peerOf(socket));
      if (connection !== undefined) this.#bySocket.set(socket, connection);
    });
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#requested(request, response),
    );
  }

  /** Returns true when the source of a request behind a proxy has too many requests open. */
  isOver(socket: Duplex): boolean {
    return this.#bySocket.get(socket)?.over === true;
  }

  /**
   * Notes that the connection becomes a WebSocket. Returns false when its source has too many and it must be refused.
   */
  upgrading(request: IncomingMessage, socket: Duplex): boolean {
    const connection = this.#bySocket.get(socket);
    if (connection === undefined) return true;
    connection.upgraded = true;
    this.#begins(connection);
    return this.#sourceOfRequest(connection, request);
  }

  /** Notes that an agent authenticated on this connection. */
  proven(socket: Duplex): void {
    const connection = this.#bySocket.get(socket);
    if (connection === undefined || connection.proven || connection.socket.destroyed) return;
    this.#learn(connection);
    if (this.#proven >= this.#deps.limits.proven) {
      this.#refuse(connection.socket);
      return;
    }
    this.#forget(connection);
    connection.proven = true;
    this.#proven++;
  }

  /** Notes that an API key authenticated on this connection. */
  known(socket: Duplex): void {
    const connection = this.#bySocket.get(socket);
    if (connection !== undefined) this.#learn(connection);
  }

  #learn({ sources: [source] }: Connection): void {
    if (source === undefined) return;
    this.#known.delete(source);
    this.#known.add(source);
    const [oldest] = this.#known;
    if (this.#known.size > knownSources && oldest !== undefined) this.#known.delete(oldest);
  }

  #arrived(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const proxied = this.#deps.isProxy(address);
    const sources = proxied ? [] : sourcesOf(address);
    const connection = {
      socket,
      proxied,
      sources,
      requests: new Set<IncomingMessage>(),
      upgraded: false,
      since: this.#deps.clock(),
      proven: false,
      over: false,
    };
    if (!this.#makeRoomAtSource(sources) || !this.#makeRoom(connection)) {
      this.#refuse(socket);
      return;
    }
    const peer = peerOf(socket);
    this.#byPeer.set(peer, connection);
    this.#bySocket.set(socket, connection);
    this.#remember(connection);
    this.#rests(connection);
    socket.once('close', () => {
      if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
      this.#closed(connection);
    });
  }

  #requested(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#bySocket.get(request.socket);
    if (connection === undefined) return;
    this.#begins(connection);
    connection.requests.add(request);
    connection.over = !this.#sourceOfRequest(connection, request);
    response.once('close', () => {
      connection.requests.delete(request);
      if (connection.requests.size > 0 || !this.#unproven.has(connection)) return;
      if (connection.proxied) this.#move(connection, []);
      this.#rests(connection);
    });
  }

  /** Behind a proxy each request may come from another source. */
  #sourceOfRequest(connection: Connection, request: IncomingMessage): boolean {
    if (!connection.proxied) return true;
    const sources = sourcesOf(this.#deps.sourceAddress(request));
    this.#move(connection, []);
    const room = this.#makeRoomAtSource(sources);
    this.#move(connection, sources);
    if (!room) this.#tell('refused');
    return room;
  }

  #begins(connection: Connection): void {
    this.#idle.delete(connection);
    this.#begun.delete(connection);
    connection.since = this.#deps.clock();
    if (!this.#isKnown(connection)) this.#begun.add(connection);
  }

  /** Moves the connection to the end of the idle ones. */
  #rests(connection: Connection): void {
    this.#begun.delete(connection);
    this.#idle.delete(connection);
    if (!connection.proxied && !this.#isKnown(connection)) this.#idle.add(connection);
  }

  #isKnown({ proxied, sources: [source] }: Connection): boolean {
    return proxied || (source !== undefined && this.#known.has(source));
  }

  #makeRoomAtSource(sources: readonly string[]): boolean {
    return sources.every((source, width) => {
      const most = this.#deps.limits.perSource * 2 ** width;
      return this.#sources.count(source) < most || this.#evictFrom(source, false);
    });
  }

  #makeRoom(newcomer: Connection): boolean {
    const { total, unproven, keptForKnown } = this.#deps.limits;
    const kept = this.#isKnown(newcomer) ? 0 : keptForKnown;
    if (this.#unproven.size < Math.min(unproven, total - this.#proven) - kept) return true;
    const greediest = this.#sources.greediest();
    const own = this.#sources.count(newcomer.sources.at(-1) ?? '');
    if (greediest !== null && this.#sources.count(greediest) > own + 1 && this.#evictFrom(greediest, true)) return true;
    const [idlest] = this.#idle;
    if (idlest !== undefined) return this.#evict(idlest);
    return this.#evictSlowest() || (own > 0 && this.#evictFrom(newcomer.sources.at(-1) ?? '', false));
  }

  /** Returns a connection whose request or handshake takes longer than it should. */
  #evictSlowest(): boolean {
    const late = this.#deps.clock() - slowMs;
    for (const connection of this.#begun) {
      if (connection.since > late) return false;
      if (connection.upgraded || isUnfinished(connection)) return this.#evict(connection);
    }
    return false;
  }

  /**
   * Ends the least useful connection: an idle one, else one without a complete request, else the newest. Old
   * handshakes of agents are nearly done, and the gate ends those that are not.
   */
  #evictFrom(source: string, atNeed: boolean): boolean {
    let unfinished: Connection | null = null;
    let newest: Connection | null = null;
    for (const connection of this.#sources.of(source)) {
      if (connection.requests.size === 0 && !connection.upgraded) return this.#evict(connection);
      if (unfinished === null && isUnfinished(connection)) unfinished = connection;
      newest = connection;
    }
    const victim = unfinished ?? (atNeed ? newest : null);
    return victim !== null && this.#evict(victim);
  }

  #evict(connection: Connection): true {
    this.#closed(connection);
    connection.socket.destroy();
    this.#tell('evicted');
    return true;
  }

  #refuse(socket: Socket): void {
    socket.on('error', () => undefined);
    socket.destroy();
    this.#tell('refused');
  }

  #tell(what: 'refused' | 'evicted'): void {
    this.counters[what]++;
    const now = this.#deps.clock();
    if (now - this.#toldAt < toldEveryMs) return;
    this.#toldAt = now;
    const facts = {
      ...this.counters,
      open: this.open,
      mostFromOneSource: this.#sources.count(this.#sources.greediest() ?? ''),
    };
    this.#deps.log.warn(facts, 'too many connections: some are refused or ended');
  }

  #remember(connection: Connection): void {
    this.#unproven.add(connection);
    for (const source of connection.sources) this.#sources.add(source, connection);
  }

  #forget(connection: Connection): void {
    this.#idle.delete(connection);
    this.#begun.delete(connection);
    this.#unproven.delete(connection);
    for (const source of connection.sources) this.#sources.remove(source, connection);
  }

  #move(connection: Connection, sources: readonly string[]): void {
    if (!this.#unproven.has(connection)) return;
    this.#forget(connection);
    connection.sources = sources;
    this.#remember(connection);
  }

  #closed(connection: Connection): void {
    if (connection.proven) this.#proven--;
    connection.proven = false;
    this.#forget(connection);
  }
}

/** Puts every connection of the server under the guard. */
export function installConnections(app: FastifyInstance, connections: Connections): void {
  connections.follow(app.server);
  app.addHook('onRequest', (request, _reply, done) => {
    done(connections.isOver(request.raw.socket) ? new ApiError('rate_limited', tooManyOpen) : undefined);
  });
}

const tooManyOpen = 'Your address has too many requests open at a time: wait for some of them to end';

/** Its request is not complete. */
const isUnfinished = ({ requests }: Connection): boolean => [...requests].some(({ complete }) => !complete);

const peerOf = ({ remoteAddress, remotePort, localAddress }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`;

/** A request or handshake that takes longer than this may be ended at the limit. */
const slowMs = 1_000;

/** Sources that are remembered as known. */
const knownSources = 20_000;
const toldEveryMs = 60_000;
