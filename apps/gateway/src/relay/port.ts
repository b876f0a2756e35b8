import type { RelayItem } from '@sallyport/contract/channel';
import { addressOf } from './addresses.ts';
import { Budget } from './budget.ts';
import { type Address, type Learned, type PairPeer, RelayPair } from './pair.ts';
import { RelaySocket, type SocketEvents } from './socket.ts';

/** Callbacks and clock of a relay port. */
export interface PortHost {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Called when an address of a peer was learned or moved. */
  readonly learned: (id: string, learned: Learned) => void;
  readonly failed: (id: string, error: NodeJS.ErrnoException) => void;
  /** Called when a datagram made this program fail. The datagram was dropped. */
  readonly broken: (error: unknown) => void;
}

/** Counters of a relay port. */
export interface PortCounters {
  forwarded: number;
  bytes: number;
  /** Datagrams beyond the rate of the pair. */
  limited: number;
  /** Datagrams that are neither a handshake of the pair nor data from a known address. */
  strange: number;
}

/** One UDP port and its pair. */
export class RelayPort {
  readonly item: RelayItem;
  readonly counters: PortCounters = { forwarded: 0, bytes: 0, limited: 0, strange: 0 };
  readonly #host: PortHost;
  readonly #pair: RelayPair;
  readonly #budget: Budget;
  readonly #socket: RelaySocket;
  #shown: string;

  constructor(item: RelayItem, peers: readonly [PairPeer, PairPeer], learned: Learned, host: PortHost) {
    this.item = item;
    this.#host = host;
    this.#pair = new RelayPair(peers, learned);
    this.#budget = new Budget(item.bytesPerSecond, host.now());
    this.#shown = learned.join();
    const events: SocketEvents = {
      message: (datagram, { address, port }) => this.#receive(addressOf(address, port), datagram),
      error: (error) => host.failed(item.id, error),
      broken: host.broken,
    };
    this.#socket = new RelaySocket(item.port, events, { recvBufferSize: bufferBytes, sendBufferSize: bufferBytes });
  }

  get learned(): Learned {
    return this.#pair.learned;
  }

  close(): void {
    this.#socket.close();
  }

  #receive(from: Address | null, datagram: Buffer): void {
    const now = this.#host.now();
    if (from === null) return;
    if (this.item.expiresAt !== null && now >= this.item.expiresAt) return;
    const forwards = this.#pair.receive(from, datagram, now);
    if (forwards.length === 0) this.counters.strange += 1;
    for (const { to, datagram: out } of forwards) this.#send(to, out, now);
    const shown = this.#pair.learned.join();
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#host.learned(this.item.id, this.#pair.learned);
  }

  #send(to: string, datagram: Uint8Array, now: number): void {
    if (!this.#budget.take(datagram.length, now)) {
      this.counters.limited += 1;
      return;
    }
    this.counters.forwarded += 1;
    this.counters.bytes += datagram.length;
    this.#socket.send(datagram, to);
  }
}

const bufferBytes = 4 * 1024 * 1024;
