import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { invalid } from '../errors.ts';
import { Initiator, type Session, tai64n } from '../noise/index.ts';
import { decodeMessage } from '../noise/messages.ts';

/** Endpoint and keys of a handshake probe. */
export interface HandshakeProbeOptions {
  /** Host name or address, and port, of the probed WireGuard. */
  readonly endpoint: { readonly host: string; readonly port: number };
  /** Our private key, base64. WireGuard answers only known keys, so it must belong to a peer there (without allowed IPs). */
  readonly privateKey: string;
  /** Expected public key of the probed WireGuard, base64. */
  readonly publicKey: string;
  /** Preshared key, base64. Absent: none. */
  readonly presharedKey?: string;
  /** Timeout in milliseconds. */
  readonly timeoutMs: number;
  /**
   * Data message of this size to send once after the handshake. The probe waits for its acknowledgement, which takes
   * WireGuard ten seconds. The UDP payload is 32 bytes longer. It is not fragmented if the system discovers path MTUs.
   */
  readonly padding?: { readonly bytes: number; readonly timeoutMs: number };
  /** Ends the probe at once as `cancelled`. */
  readonly signal?: AbortSignal;
}

/**
 * Reason for a failed probe.
 * - `no-answer`: no answer, because of a firewall, a wrong public key, or an unknown key of ours. WireGuard is silent in all.
 * - `refused`: the host exists, and no program listens on the port (ICMP port unreachable).
 * - `unreachable`: no route to the host or network, or a router on the path refused.
 * - `unresolved`: the name has no address.
 * - `bad-answer`: the answer is not from the holder of that public key, or the preshared key differs.
 * - `cancelled`: the signal was aborted.
 */
export type HandshakeProbeFailure = 'no-answer' | 'refused' | 'unreachable' | 'unresolved' | 'bad-answer' | 'cancelled';

/** Result of a handshake probe: measurements of the answer, or the reason for the failure. */
export type HandshakeProbeResult =
  | {
      readonly ok: true;
      /** Milliseconds between the answered initiation and its answer. */
      readonly rttMs: number;
      /** Local address and port of the probe, before any NAT. */
      readonly from: string;
      /** Address and port that answered. */
      readonly to: string;
      /** Whether the data message was acknowledged; without `padding`, false. */
      readonly acknowledged: boolean;
    }
  | { readonly ok: false; readonly reason: HandshakeProbeFailure };

/**
 * Completes a real WireGuard handshake with an endpoint from a new UDP socket. Confirms it with an empty data message. Sends
 * an initiation every 500 ms until one is answered. Never rejects for network failures. Rejects with `invalid` for malformed
 * keys or ports.
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
  /** Called when the handshake is complete. */
  readonly greeted: () => void;
  readonly succeed: (result: HandshakeProbeResult) => void;
}

interface Waiting {
  readonly session: Session;
  readonly done: (acknowledged: boolean) => void;
}

/** A socket that sends initiations until it is stopped. */
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
    // The system resolves an empty name to this host.
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

  /** Opens a connected socket, which receives ICMP errors, and datagrams only from the endpoint. */
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

  /** Sends the first data message. Empty or not, it confirms the handshake to the other side. */
  #confirm(socket: Socket, session: Session, done: (acknowledged: boolean) => void, now: number): void {
    if (this.#padding === null || this.#padding === undefined) {
      socket.send(session.keepalive(now) ?? new Uint8Array(0), () => done(false));
      return;
    }
    this.#waiting = { session, done };
    this.#patience = setTimeout(() => done(false), this.#padding.timeoutMs);
    // Ignored: a missing acknowledgement shows that it is too long for the path.
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

/** Evaluates errors. It trusts an error at the second time, because routers and restarting daemons fail briefly. */
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

  /** Returns the most likely failure at the timeout. */
  likeliest(): HandshakeProbeFailure {
    return [...this.#seen][0] ?? 'no-answer';
  }
}

function placeText({ address, family, port }: { address: string; family: string; port: number }): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
}

const AGAIN_MS = 500;
