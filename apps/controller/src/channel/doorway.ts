import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { channelPath } from '@sallyport/contract/channel';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ChannelCounters } from './counters.ts';
import { plainAddress } from './endpoint.ts';
import { Gate } from './gate.ts';
import type { ChannelLimits } from './limits.ts';
import { FailureLimiter, sourceOf } from './source-limits.ts';
import type { WorkQueue } from './work-queue.ts';

/** An open WebSocket on which nothing was said yet. */
export interface Visitor {
  readonly ws: WebSocket;
  readonly socket: Duplex;
  /** Who counts as one when it comes to limits. */
  readonly source: string;
  /** Canonical address of the peer, when known. */
  readonly address: string | null;
}

export interface DoorwayHost {
  readonly clock: () => number;
  readonly limits: ChannelLimits;
  readonly counters: ChannelCounters;
  readonly queue: WorkQueue;
  readonly peerAddress: (request: IncomingMessage) => string;
  readonly opened: (visitor: Visitor) => void;
}

type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** From HTTP upgrade to WebSocket, at a bounded pace: who failed too often is sent away, the rest waits its turn. */
export class Doorway {
  readonly #host: DoorwayHost;
  readonly #server: WebSocketServer;
  readonly #gate: Gate;
  readonly #failures: FailureLimiter;
  readonly #waiting = new Set<Duplex>();
  readonly #attached: { server: Server; listener: Upgrade }[] = [];
  #closing = false;

  constructor(host: DoorwayHost) {
    this.#host = host;
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: host.limits.frameBytes,
      perMessageDeflate: false,
    });
    this.#gate = new Gate(host.limits);
    this.#failures = new FailureLimiter(host.limits);
  }

  get handshaking(): number {
    return this.#gate.running;
  }

  get waiting(): number {
    return this.#gate.waiting;
  }

  attach(server: Server): void {
    const listener: Upgrade = (request, socket, head) => {
      const [path] = (request.url ?? '').split('?');
      if (path === channelPath) this.#upgrade(request, socket, head);
      else if (server.listenerCount('upgrade') === 1) answer(socket, 404);
    };
    server.on('upgrade', listener);
    this.#attached.push({ server, listener });
  }

  /** The visitor's handshake is over; another may begin. */
  left(source: string): void {
    this.#gate.leave(source);
  }

  failed(source: string): void {
    this.#failures.failed(source, this.#host.clock());
  }

  /** Lets nobody in any more, and resolves when the last connection is closed. */
  async close(): Promise<void> {
    this.#closing = true;
    for (const { server, listener } of this.#attached) server.off('upgrade', listener);
    this.#gate.clear();
    for (const socket of this.#waiting) answer(socket, 503);
    await Promise.all([...this.#server.clients].map((ws) => once(ws, 'close')));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const address = plainAddress(this.#host.peerAddress(request));
    const source = sourceOf(address ?? 'unknown');
    socket.on('error', ignore);
    if (this.#turnedAway(source, socket)) return;
    const entered = this.#gate.enter(source, () => {
      this.#host.queue.add(() => this.#open(request, socket, head, { source, address }));
    });
    if (entered) {
      this.#waiting.add(socket);
      return;
    }
    this.#host.counters.overloaded++;
    answer(socket, 503, 30);
  }

  #open(request: IncomingMessage, socket: Duplex, head: Buffer, who: Pick<Visitor, 'source' | 'address'>): void {
    this.#waiting.delete(socket);
    let opened = false;
    if (!this.#closing && !socket.destroyed && !this.#turnedAway(who.source, socket)) {
      this.#server.handleUpgrade(request, socket, head, (ws) => {
        opened = true;
        socket.off('error', ignore);
        this.#host.opened({ ws, socket, ...who });
      });
    }
    if (!opened) this.left(who.source);
  }

  #turnedAway(source: string, socket: Duplex): boolean {
    const waitMs = this.#failures.waitMs(source, this.#host.clock());
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
