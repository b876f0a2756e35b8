import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { channelPath } from '@sallyport/contract/channel';
import { guarded } from '@sallyport/contract/guard';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ChannelCounters } from './counters.ts';
import { plainAddress } from './endpoint.ts';
import { Gate, type Place } from './gate.ts';
import type { ChannelLimits } from './limits.ts';
import { FailureLimiter, sourcesOf } from './source-limits.ts';
import type { Timers } from './timers.ts';
import type { WorkQueue } from './work-queue.ts';

/** An open WebSocket without any message yet. */
export interface Visitor {
  readonly ws: WebSocket;
  readonly socket: Duplex;
  /** Networks that share limits with this peer, from narrow to wide. */
  readonly sources: readonly string[];
  /** Canonical address of the peer; null: unknown. */
  readonly address: string | null;
  /** Place of the visitor among the handshakes. It must be given back when the handshake is over. */
  readonly place: Place;
  /** Sets the function that is called when the visitor's place is needed. */
  readonly onEvicted: (evict: () => void) => void;
}

/** Parts of the channel that the doorway uses, and its callbacks. */
export interface DoorwayHost {
  readonly clock: () => number;
  readonly timers: Timers;
  readonly limits: ChannelLimits;
  readonly counters: ChannelCounters;
  readonly queue: WorkQueue;
  readonly peerAddress: (request: IncomingMessage) => string;
  /** False: the source of the request has too many connections under way. */
  readonly mayUpgrade: (request: IncomingMessage, socket: Duplex) => boolean;
  readonly opened: (visitor: Visitor) => void;
  /** A callback threw. Its socket is cut. */
  readonly failed: (error: unknown) => void;
}

type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/**
 * Turns HTTP upgrades into WebSockets at a bounded pace. A source with too many failures is refused; the others wait
 * their turn.
 */
export class Doorway {
  readonly #host: DoorwayHost;
  readonly #server: WebSocketServer;
  readonly #gate: Gate;
  readonly #failures: FailureLimiter;
  readonly #attached: { server: Server; listener: Upgrade }[] = [];
  #closing = false;

  constructor(host: DoorwayHost) {
    this.#host = host;
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: host.limits.frameBytes,
      perMessageDeflate: false,
    });
    this.#gate = new Gate(host.limits, host.clock, host.timers);
    this.#failures = new FailureLimiter(host.limits);
  }

  get handshaking(): number {
    return this.#gate.running;
  }

  get waiting(): number {
    return this.#gate.waiting;
  }

  attach(server: Server): void {
    const listener: Upgrade = (request, socket, head) =>
      this.#guard(socket, () => {
        const [path] = (request.url ?? '').split('?');
        if (path === channelPath) this.#upgrade(request, socket, head);
        else if (server.listenerCount('upgrade') === 1) answer(socket, 404);
      });
    server.on('upgrade', listener);
    this.#attached.push({ server, listener });
  }

  failed(sources: readonly string[]): void {
    this.#failures.failed(sources, this.#host.clock());
  }

  /** Refuses all further upgrades, and resolves when the last connection is closed. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const { server, listener } of this.#attached) server.off('upgrade', listener);
    this.#gate.clear();
    await Promise.all([...this.#server.clients].map((ws) => once(ws, 'close')));
  }

  #guard(socket: Duplex, run: () => void, undo = (): void => {}): void {
    const failed = (error: unknown): void => {
      this.#host.failed(error);
      socket.destroy();
      undo();
    };
    guarded(failed, run)();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const address = plainAddress(this.#host.peerAddress(request));
    const sources = sourcesOf(address ?? 'unknown');
    socket.on('error', ignore);
    if (this.#turnedAway(sources, socket)) return;
    if (!this.#host.mayUpgrade(request, socket)) {
      this.#overloaded(socket);
      return;
    }
    let evict: () => void = () => void socket.destroy();
    const onEvicted = (run: () => void) => {
      evict = run;
    };
    let waits = true;
    // A peer that sends or ends before its turn has left, or is no WebSocket client.
    const restless = () => {
      place?.leave();
      socket.destroy();
    };
    const place = this.#gate.enter({
      sources,
      start: () => {
        waits = false;
        this.#host.queue.add(() => {
          socket.off('readable', restless).off('close', restless);
          if (place === null) return;
          const open = () => this.#open(request, socket, head, { sources, address, place, onEvicted });
          this.#guard(socket, open, () => place.leave());
        }, 'arrivals');
      },
      dropped: () => {
        waits = false;
        socket.off('readable', restless).off('close', restless);
        this.#overloaded(socket);
      },
      evicted: () => evict(),
    });
    if (place === null) this.#overloaded(socket);
    else if (waits) socket.on('readable', restless).on('close', restless);
  }

  #open(request: IncomingMessage, socket: Duplex, head: Buffer, who: Omit<Visitor, 'ws' | 'socket'>): void {
    let opened = false;
    if (!this.#closing && !socket.destroyed && !this.#turnedAway(who.sources, socket)) {
      this.#server.handleUpgrade(request, socket, head, (ws) => {
        opened = true;
        socket.off('error', ignore);
        this.#host.opened({ ws, socket, ...who });
      });
    }
    if (!opened) who.place.leave();
  }

  #overloaded(socket: Duplex): void {
    this.#host.counters.overloaded++;
    answer(socket, 503, 30);
  }

  #turnedAway(sources: readonly string[], socket: Duplex): boolean {
    const waitMs = this.#failures.waitMs(sources, this.#host.clock());
    if (waitMs === 0) return false;
    this.#host.counters.limited++;
    answer(socket, 429, Math.ceil(waitMs / 1000));
    return true;
  }
}

const ignore = (): void => {};
const reasons = { 404: 'Not Found', 429: 'Too Many Requests', 503: 'Service Unavailable' } as const;

function answer(socket: Duplex, status: keyof typeof reasons, retryAfter?: number): void {
  const retry = retryAfter === undefined ? '' : `Retry-After: ${retryAfter}\r\n`;
  socket.on('error', ignore);
  socket.end(`HTTP/1.1 ${status} ${reasons[status]}\r\nConnection: close\r\nContent-Length: 0\r\n${retry}\r\n`, () => {
    socket.destroy();
  });
}
