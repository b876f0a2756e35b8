import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { invalid } from '../errors.ts';
import { Initiator, type Session, tai64n } from '../noise/index.ts';
import { decodeMessage } from '../noise/messages.ts';

/** What to knock at, and as whom. */
export interface HandshakeProbeOptions {
  /** Name or address, and port, of the WireGuard that is probed. */
  readonly endpoint: { readonly host: string; readonly port: number };
  /** Our own private key, base64. WireGuard answers known keys only: it must be that of a peer there (allowed IPs: none). */
  readonly privateKey: string;
  /** The public key the probed WireGuard must have, base64. */
  readonly publicKey: string;
  /** Base64; absent: none. */
  readonly presharedKey?: string;
  /** Milliseconds until we give up. */
  readonly timeoutMs: number;
  /**
   * After the handshake, send a data message with so many bytes inside, once, and wait for it to be acknowledged, which takes
   * WireGuard ten seconds. The UDP payload is 32 bytes longer, and goes out unfragmented where the system looks for path MTUs.
   */
  readonly padding?: { readonly bytes: number; readonly timeoutMs: number };
  /** Gives up at once, as `cancelled`. */
  readonly signal?: AbortSignal;
}

/**
 * - `no-answer`: nothing came back: a firewall, a wrong public key, or our key is no peer there. WireGuard keeps silent in all.
 * - `refused`: the host is there, and nothing listens on the port (ICMP port unreachable).
 * - `unreachable`: no route to the host or network, or a router on the way refused.
 * - `unresolved`: the name has no address.
 * - `bad-answer`: something answered, but not the holder of that public key (or with another preshared key).
 * - `cancelled`: the signal was aborted.
 */
export type HandshakeProbeFailure = 'no-answer' | 'refused' | 'unreachable' | 'unresolved' | 'bad-answer' | 'cancelled';

/** Result of a handshake with a peer: it answered, or why not. */
export type HandshakeProbeResult =
  | {
      readonly ok: true;
      /** Milliseconds between the initiation that was answered and its answer. */
      readonly rttMs: number;
      /** Address and port we probed from, before any NAT. */
      readonly from: string;
      /** Address and port that answered. */
      readonly to: string;
      /** Whether the data message was acknowledged; without `padding`, false. */
      readonly acknowledged: boolean;
    }
  | { readonly ok: false; readonly reason: HandshakeProbeFailure };

/**
 * Completes a real WireGuard handshake with an endpoint from a fresh UDP socket, and ends it with an empty data message, so
 * that the other side counts the handshake too. Sends an initiation every 500 ms until one is answered. Never rejects for
 * what the network does; rejects with `invalid` for malformed keys or ports.
 */
export async function probeHandshake(options: HandshakeProbeOptions): Promise<HandshakeProbeResult> {
  const initiator = new Initiator(options);
  const { port } = options.endpoint;
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw invalid('a port is a number from 1 to 65535');
  const verdict = Promise.withResolvers<HandshakeProbeResult>();
  const fail = (reason: HandshakeProbeFailure): void => verdict.resolve({ ok: false, reason });
  const cancel = (): void => fail('cancelled');
  const witness = new Witness(fail);
  const { padding = null } = options;
  const timer = setTimeout(() => fail(witness.likeliest()), options.timeoutMs);
  options.signal?.addEventListener('abort', cancel);
  if (options.signal?.aborted) cancel();
  const greeted = (): void => clearTimeout(timer);
  const knocking = new Knocking(initiator, options.endpoint, padding, witness, { greeted, succeed: verdict.resolve });
  try {
    knocking.start();
    return await verdict.promise;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', cancel);
    knocking.stop();
  }
}

interface KnockingEvents {
  /** The handshake is done. */
  readonly greeted: () => void;
  readonly succeed: (result: HandshakeProbeResult) => void;
}

interface Waiting {
  readonly session: Session;
  readonly done: (acknowledged: boolean) => void;
}

/** One socket that sends initiations until it is stopped. */
class Knocking {
  readonly #initiator: Initiator;
  readonly #endpoint: HandshakeProbeOptions['endpoint'];
  readonly #padding: HandshakeProbeOptions['padding'] | null;
  readonly #witness: Witness;
  readonly #events: KnockingEvents;
  #socket: Socket | null = null;
  #again: NodeJS.Timeout | undefined;
  #patience: NodeJS.Timeout | undefined;
  /** Waits for the data message to be acknowledged. */
  #waiting: Waiting | null = null;
  #lastTimestamp = 0;
  #stopped = false;

  constructor(
    initiator: Initiator,
    endpoint: HandshakeProbeOptions['endpoint'],
    padding: HandshakeProbeOptions['padding'] | null,
    witness: Witness,
    events: KnockingEvents,
  ) {
    this.#initiator = initiator;
    this.#endpoint = endpoint;
    this.#padding = padding;
    this.#witness = witness;
    this.#events = events;
  }

  start(): void {
    const { host } = this.#endpoint;
    // The system takes an empty name for this very host.
    const found = host === '' ? Promise.reject(new Error('no name')) : lookup(host);
    found
      .then(
        ({ address, family }) => this.#connect(address, family),
        () => this.#witness.sees('unresolved', 'for good'),
      )
      .catch(() => this.#witness.sees('unreachable', 'for good'));
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#again);
    clearTimeout(this.#patience);
    this.#socket?.close();
    this.#socket = null;
  }

  /** A connected socket hears of ICMP errors, and of nobody but the endpoint. */
  #connect(address: string, family: number): void {
    if (this.#stopped) return;
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    this.#socket = socket;
    socket.on('error', (error) => this.#failed(error));
    socket.on('message', (datagram) => this.#take(socket, datagram));
    socket.on('connect', () => this.#knock(socket));
    socket.connect(this.#endpoint.port, address);
  }

  #knock(socket: Socket): void {
    this.#again = setTimeout(() => this.#knock(socket), AGAIN_MS);
    this.#lastTimestamp = Math.max(Date.now(), this.#lastTimestamp + 1);
    const datagram = this.#initiator.initiate({
      ephemeral: randomBytes(32),
      senderIndex: randomBytes(4).readUInt32LE(),
      timestamp: tai64n(this.#lastTimestamp),
      now: performance.now(),
    });
    socket.send(datagram, (error) => {
      if (error !== null) this.#failed(error);
    });
  }

  #take(socket: Socket, datagram: Uint8Array): void {
    const now = performance.now();
    if (this.#waiting !== null) {
      this.#takeData(this.#waiting, datagram, now);
      return;
    }
    const answer = this.#initiator.receive(datagram, now);
    if (answer.kind === 'ignored') this.#witness.sees('bad-answer');
    if (answer.kind !== 'session') return;
    clearTimeout(this.#again);
    this.#events.greeted();
    const places = { from: placeText(socket.address()), to: placeText(socket.remoteAddress()) };
    const done = (acknowledged: boolean): void =>
      this.#events.succeed({ ok: true, rttMs: answer.roundTripMs, ...places, acknowledged });
    this.#confirm(socket, answer.session, done, now);
  }

  /** The first data message, empty or not, tells the other side that the handshake is done. */
  #confirm(socket: Socket, session: Session, done: (acknowledged: boolean) => void, now: number): void {
    if (this.#padding === null || this.#padding === undefined) {
      socket.send(session.keepalive(now) ?? new Uint8Array(0), () => done(false));
      return;
    }
    this.#waiting = { session, done };
    this.#patience = setTimeout(() => done(false), this.#padding.timeoutMs);
    // That it is too long for the way is told by its silence.
    socket.send(session.padding(this.#padding.bytes, now) ?? new Uint8Array(0), () => {});
  }

  #takeData({ session, done }: Waiting, datagram: Uint8Array, now: number): void {
    const message = decodeMessage(datagram);
    if (message?.kind === 'transport' && session.receive(message, now).kind === 'authentic') done(true);
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (this.#stopped || this.#waiting !== null) return;
    if (error.code === 'ECONNREFUSED') this.#witness.sees('refused');
    else if (this.#again === undefined) this.#witness.sees('unreachable', 'for good');
    else this.#witness.sees('unreachable');
  }
}

/** Weighs what was seen: what is seen twice is believed at once, for routers and restarting daemons err for a moment. */
class Witness {
  readonly #decide: (reason: HandshakeProbeFailure) => void;
  readonly #seen = new Set<HandshakeProbeFailure>();

  constructor(decide: (reason: HandshakeProbeFailure) => void) {
    this.#decide = decide;
  }

  sees(reason: HandshakeProbeFailure, how: 'maybe' | 'for good' = 'maybe'): void {
    if (this.#seen.has(reason) || how === 'for good') this.#decide(reason);
    this.#seen.add(reason);
  }

  /** When time is up. */
  likeliest(): HandshakeProbeFailure {
    return [...this.#seen][0] ?? 'no-answer';
  }
}

function placeText({ address, family, port }: { address: string; family: string; port: number }): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

const AGAIN_MS = 500;
