import { WebSocket } from 'ws';

export interface SocketEvents {
  readonly opened: () => void;
  readonly message: (text: string) => void;
  readonly pong: () => void;
  /** Once, and nothing after it. */
  readonly closed: (reason: string) => void;
}

/** One WebSocket to the controller. */
export class ChannelSocket {
  readonly #socket: WebSocket;
  #reason: string | null = null;

  constructor(url: string, events: SocketEvents) {
    this.#socket = new WebSocket(url, {
      handshakeTimeout: 10_000,
      maxPayload: 64 * 1024 * 1024,
      perMessageDeflate: false,
      followRedirects: false,
    });
    this.#socket.on('open', events.opened);
    this.#socket.on('pong', events.pong);
    this.#socket.on('message', (data, binary) => {
      if (binary) this.close('the controller sent a binary frame');
      else events.message(data.toString());
    });
    this.#socket.on('error', (error) => {
      this.#reason ??= reasonOf(error);
    });
    this.#socket.on('close', (code, reason) => {
      events.closed(this.#reason ?? (reason.length > 0 ? reason.toString() : `closed with code ${code}`));
    });
  }

  send(text: string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  ping(): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.ping();
  }

  /** Says goodbye, and does not wait long for an answer. */
  close(reason: string): void {
    this.#reason ??= reason;
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    this.#socket.close();
    setTimeout(() => this.#socket.terminate(), 1_000).unref();
  }
}

/** A refused connection comes as several errors, one for each address. */
function reasonOf(error: Error & { code?: string }): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0] as Error);
  const advice = error.code === undefined ? undefined : advices[error.code];
  return advice === undefined ? error.message : `${error.message} (${advice})`;
}

const advices: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'is the controller running?',
  ENOTFOUND: 'check the host name',
  SELF_SIGNED_CERT_IN_CHAIN: 'point NODE_EXTRA_CA_CERTS at your certificate authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'point NODE_EXTRA_CA_CERTS at the certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'point NODE_EXTRA_CA_CERTS at your certificate authority',
};
