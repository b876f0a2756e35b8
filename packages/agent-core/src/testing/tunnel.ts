import type { DeviceStatus, PeerChange, PeerConfig, PeerStatus } from '@sallyport/wireguard';
import type { Datagram, Network } from './network.ts';

/** Content of a packet in the tunnel. */
export type Payload =
  | { readonly kind: 'keepalive' }
  /** `beyond`: addressed to a host behind the other end. */
  | { readonly kind: 'ask'; readonly id: number; readonly beyond?: boolean }
  | { readonly kind: 'answer'; readonly id: number };

/** Datagram of the tunnel. */
export type Sealed =
  | { readonly kind: 'initiation' | 'response'; readonly from: string; readonly to: string; readonly session: string }
  | { readonly kind: 'data'; readonly session: string; readonly payload: Payload };

interface Peer {
  config: PeerConfig;
  endpoint: string | undefined;
  session: string | null;
  /** Previous session, which still decrypts packets in flight. */
  earlier: string | null;
  sessionAt: number;
  initiator: boolean;
  pending: string | null;
  initiatedAt: number;
  queued: Payload | null;
  unansweredSince: number | null;
  lastHandshake: number | null;
  rxBytes: number;
  txBytes: number;
  sentAt: number;
}

/**
 * Simulates the WireGuard behaviour that paths depend on. Pending data starts a handshake, at most every five seconds.
 * Authentic packets move the endpoint. A new peer has no session. The tunnel answers every `ask`, like a kernel that refuses
 * a connection.
 */
export class SimulatedTunnel {
  readonly publicKey: string;
  readonly #ip: string;
  readonly #network: Network;
  readonly #answered: (id: number) => void;
  /** Whether the tunnel answers an `ask`. */
  answers = true;
  /** Whether hosts behind the tunnel are reachable. */
  reaches = true;
  readonly #peers = new Map<string, Peer>();
  #sessions = 0;

  constructor(network: Network, ip: string, publicKey: string, answered: (id: number) => void) {
    this.#network = network;
    this.#ip = ip;
    this.publicKey = publicKey;
    this.#answered = answered;
    this.#keepAlive();
  }

  get peers(): ReadonlyMap<string, { readonly config: PeerConfig }> {
    return this.#peers;
  }

  apply(changes: readonly PeerChange[]): void {
    for (const change of changes) {
      if (change.kind === 'remove') this.#peers.delete(change.publicKey);
      else this.#set(change.peer);
    }
  }

  status(): DeviceStatus {
    const peers = [...this.#peers].map(([publicKey, peer]): [string, PeerStatus] => [
      publicKey,
      {
        publicKey,
        ...(peer.endpoint !== undefined && { endpoint: peer.endpoint }),
        allowedIps: peer.config.allowedIps,
        lastHandshake: peer.lastHandshake,
        rxBytes: peer.rxBytes,
        txBytes: peer.txBytes,
      },
    ]);
    return { publicKey: this.publicKey, listenPort: 51820, fwmark: 0, peers: new Map(peers) };
  }

  send(publicKey: string, payload: Payload): void {
    const peer = this.#peers.get(publicKey);
    if (peer === undefined || peer.endpoint === undefined) return;
    const { now } = this.#network;
    if (now - peer.sessionAt >= 180_000) peer.session = null;
    if (peer.session === null) {
      peer.queued = payload;
      this.#initiate(publicKey, peer);
      return;
    }
    if (payload.kind === 'ask') peer.unansweredSince ??= now;
    this.#emit(peer, { kind: 'data', session: peer.session, payload }, payload.kind === 'keepalive' ? 32 : 96);
    const stale = now - peer.sessionAt >= (peer.initiator ? 120_000 : 165_000);
    if (stale || (peer.unansweredSince !== null && now - peer.unansweredSince >= 15_000))
      this.#initiate(publicKey, peer);
  }

  receive({ src, body }: Datagram): void {
    const packet = body as Sealed;
    if (packet.kind === 'data') this.#open(src, packet);
    else if (packet.to !== this.publicKey) return;
    else if (packet.kind === 'initiation') this.#respond(src, packet);
    else this.#conclude(src, packet);
  }

  #set(config: PeerConfig): void {
    const known = this.#peers.get(config.publicKey);
    for (const [key, other] of this.#peers) {
      if (key === config.publicKey) continue;
      const allowedIps = other.config.allowedIps.filter((prefix) => !config.allowedIps.includes(prefix));
      other.config = { ...other.config, allowedIps };
    }
    const speaks = config.persistentKeepalive !== undefined && known?.config.persistentKeepalive === undefined;
    const peer = known ?? newPeer(config);
    peer.config = config;
    peer.endpoint = config.endpoint ?? peer.endpoint;
    this.#peers.set(config.publicKey, peer);
    if (speaks) this.send(config.publicKey, { kind: 'keepalive' });
  }

  #initiate(publicKey: string, peer: Peer): void {
    const { now } = this.#network;
    if (now - peer.initiatedAt < 5_000) return;
    this.#sessions += 1;
    peer.initiatedAt = now;
    peer.pending = `${this.#ip} ${this.#sessions}`;
    const { pending: session } = peer;
    this.#emit(peer, { kind: 'initiation', from: this.publicKey, to: publicKey, session }, 148);
    this.#network.after(5_000, () => {
      if (peer.pending === session && this.#peers.get(publicKey) === peer) this.#initiate(publicKey, peer);
    });
  }

  #respond(src: string, { from, session }: Sealed & { kind: 'initiation' | 'response' }): void {
    const peer = this.#peers.get(from);
    if (peer === undefined) return;
    this.#adopt(peer, src, session, 148);
    this.#emit(peer, { kind: 'response', from: this.publicKey, to: from, session }, 92);
  }

  #conclude(src: string, { from, session }: Sealed & { kind: 'initiation' | 'response' }): void {
    const peer = this.#peers.get(from);
    if (peer === undefined || peer.pending !== session) return;
    peer.pending = null;
    this.#adopt(peer, src, session, 92);
    const { queued } = peer;
    peer.queued = null;
    this.send(from, queued ?? { kind: 'keepalive' });
  }

  #open(src: string, { session, payload }: Sealed & { kind: 'data' }): void {
    for (const [publicKey, peer] of this.#peers) {
      if (peer.session !== session && peer.earlier !== session) continue;
      peer.endpoint = src;
      peer.rxBytes += payload.kind === 'keepalive' ? 32 : 96;
      peer.unansweredSince = null;
      const answers = this.answers && (this.reaches || payload.kind !== 'ask' || payload.beyond !== true);
      if (payload.kind === 'ask' && answers) this.send(publicKey, { kind: 'answer', id: payload.id });
      if (payload.kind === 'answer') this.#answered(payload.id);
      return;
    }
  }

  #adopt(peer: Peer, src: string, session: string, bytes: number): void {
    peer.endpoint = src;
    peer.earlier = peer.session;
    peer.session = session;
    peer.sessionAt = this.#network.now;
    peer.initiator = session.startsWith(`${this.#ip} `);
    peer.rxBytes += bytes;
    peer.lastHandshake = 1_000_000 + this.#network.now;
    peer.unansweredSince = null;
  }

  #emit(peer: Peer, body: Sealed, bytes: number): void {
    peer.txBytes += bytes;
    peer.sentAt = this.#network.now;
    if (peer.endpoint !== undefined) this.#network.send(this.#ip, peer.endpoint, body);
  }

  #keepAlive(): void {
    for (const [key, { config, sentAt }] of this.#peers) {
      const every = config.persistentKeepalive;
      if (every !== undefined && this.#network.now - sentAt >= every * 1000) this.send(key, { kind: 'keepalive' });
    }
    this.#network.after(1_000, () => this.#keepAlive());
  }
}

function newPeer(config: PeerConfig): Peer {
  return {
    config,
    endpoint: config.endpoint,
    session: null,
    earlier: null,
    sessionAt: -Infinity,
    initiator: false,
    pending: null,
    initiatedAt: -Infinity,
    queued: null,
    unansweredSince: null,
    lastHandshake: null,
    rxBytes: 0,
    txBytes: 0,
    sentAt: -Infinity,
  };
}
