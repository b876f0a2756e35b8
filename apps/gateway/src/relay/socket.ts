import { createSocket, type RemoteInfo, type Socket, type SocketOptions } from 'node:dgram';
import { guarded } from '@sallyport/contract/guard';
import { socketAddress } from './addresses.ts';
import type { Address } from './pair.ts';

/** Callbacks of a relay socket. */
export interface SocketEvents {
  readonly message: (datagram: Buffer, from: RemoteInfo) => void;
  /** Ends the socket. */
  readonly error: (error: NodeJS.ErrnoException) => void;
  /** Called when a datagram made this program fail. The datagram was dropped. */
  readonly broken: (error: unknown) => void;
}

/** A UDP port of the relay for IPv4 and IPv6, or for IPv4 only on hosts without IPv6 in the kernel. */
export class RelaySocket {
  readonly #port: number;
  readonly #events: SocketEvents;
  readonly #options: Omit<SocketOptions, 'type'>;
  readonly #create: typeof createSocket;
  #family: 4 | 6 = 6;
  #socket: Socket;

  constructor(
    port: number,
    events: SocketEvents,
    options: Omit<SocketOptions, 'type'> = {},
    create: typeof createSocket = createSocket,
  ) {
    this.#port = port;
    this.#events = events;
    this.#options = options;
    this.#create = create;
    this.#socket = this.#open('udp6');
  }

  /** Sends to an address in the form of `addressOf`. A datagram that cannot be sent is lost, as on any path. */
  send(datagram: Uint8Array, to: Address): void {
    const { host, port } = socketAddress(to, this.#family);
    if (host !== null) this.#socket.send(datagram, port, host, () => {});
  }

  close(): void {
    this.#socket.removeAllListeners('error');
    this.#socket.on('error', () => {});
    this.#socket.close();
  }

  #open(type: 'udp4' | 'udp6'): Socket {
    const socket = this.#create({ ...this.#options, type });
    socket.on('message', guarded(this.#events.broken, this.#events.message));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (type === 'udp4' || error.code !== 'EAFNOSUPPORT') return this.#events.error(error);
      this.close();
      this.#family = 4;
      this.#socket = this.#open('udp4');
    });
    socket.bind(this.#port);
    socket.unref();
    return socket;
  }
}
