import type { LookupFunction, Socket as NetSocket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Duplex } from 'node:stream';
import type { Frame } from '@sallyport/agent-core';
import { guarded } from '@sallyport/contract/guard';
import { canonicalUnmapped } from '@sallyport/ip';
import { type RawData, WebSocket } from 'ws';
import type { TlsTrust } from './ca-file.ts';

/** Callbacks of a channel socket. */
export interface SocketEvents {
  readonly opened: () => void;
  readonly message: (frame: Frame) => void;
  readonly pong: () => void;
  /** Called once, as the last callback. */
  readonly closed: (reason: string) => void;
  /** Called when another callback threw. The connection is closed. */
  readonly failed: (error: unknown) => void;
}

/** Maximum number of bytes before the controller is authenticated. A challenge and a welcome have about a thousand. */
const strangerBytes = 64 * 1024;

/** Idle milliseconds before the kernel sends a TCP keepalive. It costs neither process anything. */
const keepAliveMs = 1_000;

/** One WebSocket to the controller. */
export class ChannelSocket {
  readonly #socket: WebSocket;
  #transport: Duplex | null = null;
  #reason: string | null = null;
  #bytes = 0;

  constructor(url: string, events: SocketEvents, lookup?: LookupFunction, trust?: TlsTrust) {
    this.#socket = new WebSocket(url, {
      handshakeTimeout: 10_000,
      maxPayload: 64 * 1024 * 1024,
      perMessageDeflate: false,
      followRedirects: false,
      ...(lookup && { lookup }),
      ...trust,
    });
    const guard = <A extends unknown[]>(run: (...values: A) => unknown) =>
      guarded((error) => {
        events.failed(error);
        this.cut('this program failed on what came');
      }, run);
    this.#socket.on('upgrade', ({ socket }) => {
      // Keepalives renew the mappings of NATs on the path.
      socket.setKeepAlive(true, keepAliveMs);
      this.#transport = socket;
    });
    const open = () => {
      // Added after the listener of the WebSocket, so that each piece is handled before it is counted.
      this.#transport?.on('data', this.#count);
      events.opened();
    };
    const message = (data: RawData, binary: boolean) => events.message(binary ? bytesOf(data) : data.toString());
    this.#socket.on('open', guard(open));
    this.#socket.on('pong', guard(events.pong));
    this.#socket.on('message', guard(message));
    this.#socket.on('error', (error) => {
      this.#reason ??= reasonOf(error);
    });
    const close = (code: number, reason: Buffer) =>
      events.closed(this.#reason ?? (reason.length > 0 ? reason.toString() : `closed with code ${code}`));
    this.#socket.on('close', guard(close));
  }

  /** Marks the controller as authenticated. It may then send whole states. */
  trust(): void {
    this.#transport?.off('data', this.#count);
  }

  send(frame: Frame): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(frame);
  }

  ping(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }

  /** Closes the connection without a message. `closed` follows. */
  cut(reason: string): void {
    this.#reason ??= reason;
    this.#socket.terminate();
  }

  /** Closes a connection from an address that this host has lost. It can receive nothing. */
  leaveStranded(): void {
    const { localAddress } = (this.#transport ?? {}) as Partial<Pick<NetSocket, 'localAddress'>>;
    if (localAddress === undefined || hasAddress(canonicalUnmapped(localAddress) ?? localAddress)) return;
    this.#reason ??= 'this host has another address now';
    this.#socket.terminate();
  }

  /** Closes the connection cleanly and waits briefly for an answer. */
  close(reason: string): void {
    this.#reason ??= reason;
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.close();
    setTimeout(() => this.#socket.terminate(), 1_000).unref();
  }

  readonly #count = (piece: Uint8Array): void => {
    this.#bytes += piece.length;
    if (this.#bytes <= strangerBytes) return;
    this.#reason ??= 'the other side sent too much before it had proven to be the controller';
    this.#socket.terminate();
  };
}

function hasAddress(address: string): boolean {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.some((own) => own.address === address) || address === '::1';
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

/** Returns the message of an error. A refused connection has several errors, one for each address. */
function reasonOf(error: Error & { code?: string }): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0] as Error);
  const advice = error.code === undefined ? undefined : advices[error.code];
  return advice === undefined ? error.message : `${error.message} (${advice})`;
}

const advices: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is the controller running?',
  ENOTFOUND: 'check the host name',
  SELF_SIGNED_CERT_IN_CHAIN: 'name the file of your certificate authority with --ca-file',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'name the file of the certificate with --ca-file',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'name the file of your certificate authority with --ca-file',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'name the file of your certificate authority with --ca-file',
  CERT_HAS_EXPIRED: 'renew the certificate of the controller, or set the clock of this host',
  ERR_TLS_CERT_ALTNAME_INVALID: 'use a name that the certificate holds, or name its file with --ca-file',
};
