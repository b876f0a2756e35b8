import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { guarded, occasionally } from '@sallyport/contract/guard';
import { type Authenticated, type OpenedInitiation, Responder } from '@sallyport/wireguard';
import { endpointText, plainAddress } from '../channel/endpoint.ts';
import type { BeaconCounters } from './counters.ts';
import type { KnownAgent, KnownAgents } from './known-agents.ts';
import { WorkBudget } from './work-budget.ts';

/** Parts of the beacon that a port uses. */
export interface PortDeps {
  readonly privateKey: string;
  readonly known: KnownAgents;
  readonly counters: BeaconCounters;
  /** An authenticated message of an agent came from this place (`host:port`). */
  readonly seen: (agent: KnownAgent, source: string) => void;
  readonly log: { readonly warn: (facts: object, text: string) => void };
}

/** Share of the event loop for handshakes of one port, and the burst ahead of it: agents come back together. */
const handshakeShare = 0.15;
const handshakeBurstMs = 150;
/** Look-ups in the database at a time. Further agents are dropped and knock again. */
const lookupLimit = 256;

/** One UDP port that answers WireGuard handshakes of known keys and nothing else. */
export class BeaconPort {
  readonly #deps: PortDeps;
  readonly #responder: Responder;
  readonly #budget = new WorkBudget(handshakeShare, handshakeBurstMs);
  #socket: Socket | null = null;
  #lookups = 0;

  constructor(deps: PortDeps) {
    this.#deps = deps;
    this.#responder = new Responder({ privateKey: deps.privateKey, random: randomBytes });
  }

  /**
   * Opens the port. Resolves with its number, or rejects with the system's error. An IPv6 host takes IPv4 too where the
   * system permits.
   */
  listen(host: string, port: number): Promise<number> {
    const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4' });
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address: host, port, exclusive: true }, () => {
        socket.removeListener('error', reject);
        socket.on('error', (error) => this.#deps.log.warn({ err: error }, 'a socket of the beacon failed'));
        const take = (datagram: Uint8Array, from: RemoteInfo) => this.#take(socket, datagram, from);
        socket.on('message', guarded(this.#failed, take));
        resolve(socket.address().port);
      });
    });
  }

  /** Ends the sessions of a key at once. */
  forget(publicKey: string): void {
    this.#responder.forget(publicKey);
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) await new Promise<void>((resolve) => socket.close(() => resolve()));
  }

  /** Every host can send datagrams: one that fails is dropped, and failures are logged at intervals. */
  readonly #failed = occasionally(
    (err, before) => this.#deps.log.warn({ err, before }, 'a datagram to the beacon failed'),
    () => performance.now(),
  );

  #take(socket: Socket, datagram: Uint8Array, from: RemoteInfo): void {
    const address = plainAddress(from.address);
    if (address === null || from.port === 0) return;
    const source = endpointText(address, from.port);
    const began = performance.now();
    // The controller shares this event loop. A flooded beacon waits so that the rest continues.
    if (isInitiation(datagram) && !this.#budget.admits(began)) {
      this.#deps.counters.refused('busy');
      return;
    }
    const result = this.#responder.open(datagram, source, began);
    if (isInitiation(datagram)) this.#budget.spent(performance.now() - began);
    if (result.kind === 'initiation') this.#initiated(socket, result, from);
    else if (result.kind === 'authenticated') this.#authenticated(result);
    else if (result.kind === 'ignored') this.#deps.counters.refused(result.reason);
    else {
      this.#deps.counters.refused('cookie');
      this.#send(socket, result.datagram, from);
    }
  }

  #initiated(socket: Socket, opened: OpenedInitiation, from: RemoteInfo): void {
    const remembered = this.#deps.known.remembered(opened.peer);
    if (remembered !== undefined) this.#answer(socket, opened, from, remembered);
    else if (this.#lookups >= lookupLimit) this.#deps.counters.refused('busy');
    else this.#lookUp(opened.peer, (agent) => this.#answer(socket, opened, from, agent));
  }

  #answer(socket: Socket, { pending }: OpenedInitiation, from: RemoteInfo, agent: KnownAgent | null): void {
    const began = performance.now();
    const result =
      agent === null
        ? ({ kind: 'ignored', reason: 'unknown-peer' } as const)
        : this.#responder.accept(pending, {}, began);
    this.#budget.spent(performance.now() - began);
    if (result.kind === 'ignored') this.#deps.counters.refused(result.reason);
    else this.#send(socket, result.datagram, from);
  }

  /** Only this message moves a mapping: its sender holds the agent's private key and has read our answer. */
  #authenticated({ peer, source, first }: Authenticated): void {
    if (first) this.#deps.counters.handshake();
    const agent = this.#deps.known.remembered(peer);
    if (agent) this.#deps.seen(agent, source);
    // The key of the session is not remembered. It is looked up again, because it may belong to no agent now.
    else if (this.#lookups < lookupLimit)
      this.#lookUp(peer, (found) => (found === null ? this.forget(peer) : this.#deps.seen(found, source)));
  }

  #lookUp(publicKey: string, found: (agent: KnownAgent | null) => void): void {
    this.#lookups++;
    this.#deps.known
      .find(publicKey)
      .then(found)
      .catch((error) => this.#deps.log.warn({ err: error }, 'could not look up a key of the beacon'))
      .finally(() => {
        this.#lookups--;
      });
  }

  #send(socket: Socket, datagram: Uint8Array, { address, port }: RemoteInfo): void {
    if (socket !== this.#socket) return;
    // Unreachable senders are ignored: agents knock again.
    socket.send(datagram, port, address, () => {});
  }
}

/** WireGuard paper, section 5.4.2. */
const isInitiation = (datagram: Uint8Array): boolean => datagram.length === 148 && datagram[0] === 1;
