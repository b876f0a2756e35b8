import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { Initiator, type Session, tai64n } from '../noise/index.ts';
import { decodeMessage } from '../noise/messages.ts';

/** Keys, endpoint and callbacks of a `TunnelPeer`. */
export interface TunnelPeerOptions {
  /** Address and UDP port of the WireGuard to connect to. */
  readonly endpoint: { readonly address: string; readonly port: number };
  /** Private key of this peer, base64. */
  readonly privateKey: string;
  /** Public key of the other side, base64. */
  readonly publicKey: string;
  /** Timeout of the handshake in milliseconds. */
  readonly timeoutMs: number;
  /** Called with each received IP packet, including padding. */
  readonly received: (packet: Buffer) => void;
}

/**
 * A WireGuard peer in this process, without an interface. It exchanges packets with another WireGuard. It never renews its
 * session, which lasts three minutes.
 */
export class TunnelPeer {
  readonly #socket: Socket;
  readonly #session: Session;

  /** Completes a handshake. Returns null after a timeout. */
  static async open(options: TunnelPeerOptions): Promise<TunnelPeer | null> {
    const socket = createSocket(options.endpoint.address.includes(':') ? 'udp6' : 'udp4');
    // Ignored: these are ICMP errors, and the failed handshake reports the problem.
    socket.on('error', () => {});
    const session = await shakeHands(socket, options);
    if (session !== null) return new TunnelPeer(socket, session, options.received);
    socket.close();
    return null;
  }

  private constructor(socket: Socket, session: Session, received: TunnelPeerOptions['received']) {
    this.#socket = socket;
    this.#session = session;
    socket.on('message', (datagram) => {
      const message = decodeMessage(datagram);
      if (message?.kind !== 'transport') return;
      const packet = session.open(message, performance.now());
      if (packet !== null && packet.length > 0) received(Buffer.from(packet));
    });
  }

  /** Sends an IP packet into the tunnel. Packets may be lost. */
  send(packet: Uint8Array): void {
    const datagram = this.#session.transport(packet, performance.now());
    if (datagram !== null) this.#socket.send(datagram, () => {});
  }

  close(): void {
    this.#socket.removeAllListeners('message');
    this.#socket.close();
  }
}

async function shakeHands(socket: Socket, options: TunnelPeerOptions): Promise<Session | null> {
  const initiator = new Initiator(options);
  const { promise, resolve } = Promise.withResolvers<Session | null>();
  let timestamp = 0;
  const knock = (): void => {
    timestamp = Math.max(Date.now(), timestamp + 1);
    const datagram = initiator.initiate({
      ephemeral: randomBytes(32),
      senderIndex: randomBytes(4).readUInt32LE(),
      timestamp: tai64n(timestamp),
      now: performance.now(),
    });
    socket.send(datagram, () => {});
  };
  const timeout = setTimeout(() => resolve(null), options.timeoutMs);
  const take = (datagram: Buffer): void => {
    const answer = initiator.receive(datagram, performance.now());
    if (answer.kind === 'session') resolve(answer.session);
  };
  socket.on('message', take);
  socket.once('connect', knock);
  socket.connect(options.endpoint.port, options.endpoint.address);
  const again = setInterval(() => {
    if (timestamp !== 0) knock();
  }, againMs);
  try {
    const session = await promise;
    // The first message confirms the handshake to the other side.
    if (session !== null) socket.send(session.keepalive(performance.now()) ?? new Uint8Array(0), () => {});
    return session;
  } finally {
    clearTimeout(timeout);
    clearInterval(again);
    socket.off('message', take);
  }
}

const againMs = 300;
