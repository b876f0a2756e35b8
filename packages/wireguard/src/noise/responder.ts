import { parseKey } from '../keys.ts';
import { presharedKeyOf } from './initiator.ts';
import { AddressBudgets, Budget } from './limits.ts';
import { CookieJar, hasMac1, type MacKeys, macKeysOf, stampMacs } from './macs.ts';
import { decodeMessage, encodeResponse, type InitiationMessage, type TransportMessage } from './messages.ts';
import { PeerTable } from './peers.ts';
import { Session } from './session.ts';
import { SymmetricState } from './symmetric.ts';
import type {
  Authenticated,
  Ignored,
  IgnoredReason,
  KnownPeer,
  OpenedInitiation,
  PendingInitiation,
  Reply,
  ResponderOptions,
} from './types.ts';
import { agree, type KeyPair, keyPairOf, publicKeyObject } from './x25519.ts';

/**
 * Responder of the WireGuard handshake (Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s; WireGuard paper, sections 5 and 6), without
 * IO: it takes datagrams and returns replies and facts. It never carries traffic and only reports that a peer is alive at a
 * source. Use one per UDP socket and private key. Work per datagram and memory are bounded. It never throws for the content
 * of a datagram.
 *
 *     socket.on('message', (datagram, from) => {
 *       const result = responder.handle(datagram, textOf(from), performance.now(), (key) => peers.get(key) ?? null);
 *       if (result.kind === 'reply') socket.send(result.datagram, from.port, from.address);
 *       if (result.kind === 'authenticated') mappings.set(result.peer, result.source);
 *     });
 */
export class Responder {
  /** Our public key, base64, for the configuration of peers. */
  readonly publicKey: string;
  readonly #own: KeyPair;
  readonly #random: (bytes: number) => Uint8Array;
  readonly #start: SymmetricState;
  readonly #macs: MacKeys;
  readonly #cookies: CookieJar;
  readonly #budget: Budget;
  readonly #addresses: AddressBudgets;
  readonly #peers: PeerTable;

  /** Throws `invalid` for a malformed private key. */
  constructor(options: ResponderOptions) {
    const perSecond = options.handshakesPerSecond ?? 500;
    this.#own = keyPairOf(parseKey(options.privateKey, 'private key'));
    this.publicKey = Buffer.from(this.#own.publicKey).toString('base64');
    this.#random = options.random;
    this.#start = SymmetricState.towards(this.#own.publicKey);
    this.#macs = macKeysOf(this.#own.publicKey);
    this.#cookies = new CookieJar(this.#macs, options.random);
    this.#budget = new Budget(perSecond, perSecond);
    this.#addresses = new AddressBudgets(options.random(32));
    this.#peers = new PeerTable(options.maxPeers ?? 65_536);
  }

  /**
   * Handles one datagram completely. `lookup` returns the peer of the public key of a genuine initiation, or null.
   * `underLoad` forces cookies. Without it, the measured rate of handshakes decides.
   */
  handle(
    datagram: Uint8Array,
    source: string,
    now: number,
    lookup: (publicKey: string) => KnownPeer | null,
    underLoad = false,
  ): Authenticated | Reply | Ignored {
    const opened = this.open(datagram, source, now, underLoad);
    if (opened.kind !== 'initiation') return opened;
    const known = lookup(opened.peer);
    return known === null ? ignored('unknown-peer') : this.accept(opened.pending, known, now);
  }

  /** First half of `handle`, for a lookup that takes time. It completes all messages except initiations. */
  open(
    datagram: Uint8Array,
    source: string,
    now: number,
    underLoad = false,
  ): OpenedInitiation | Authenticated | Reply | Ignored {
    const message = decodeMessage(datagram);
    if (message === null) return ignored('malformed');
    if (message.kind === 'transport') return this.#takeTransport(message, source, now);
    if (message.kind !== 'initiation') return ignored('unexpected');
    if (!hasMac1(datagram, this.#macs)) return ignored('bad-mac');
    // MAC2 counts only under load, so a wrong MAC2 is ignored before.
    if (underLoad || !this.#budget.take(now)) {
      if (!this.#cookies.hasMac2(datagram, source, now)) {
        const cookie = this.#cookies.reply(message.senderIndex, message.mac1, source, now);
        return { kind: 'reply', datagram: cookie, peer: null };
      }
      if (!this.#addresses.take(source, now)) return ignored('rate');
    }
    return this.#openInitiation(message, source);
  }

  /**
   * Second half of `handle`. Returns the response and creates a session that the first transport message of the peer
   * confirms. Throws `invalid` for a malformed preshared key.
   */
  accept(pending: PendingInitiation, known: KnownPeer, now: number): Reply | Ignored {
    const { peer, timestamp } = pending;
    this.#peers.sweep(now);
    const before = this.#peers.get(peer);
    if (before !== undefined) {
      if (Buffer.compare(timestamp, before.timestamp) <= 0) return ignored('replayed');
      if (now - before.acceptedAt < LEAST_BETWEEN_MS) return ignored('flood');
    }
    const response = this.#respond(pending, presharedKeyOf(known), now);
    if (response === null) return ignored('forged');
    this.#peers.addNext(response.session, timestamp, now);
    return { kind: 'reply', datagram: response.datagram, peer };
  }

  /**
   * Returns an empty transport message for a peer. It shows the peer that we are alive and keeps NAT mappings open. Send it to
   * the last authenticated source of the peer. Returns null without a confirmed session younger than 180 s.
   */
  keepalive(peer: string, now: number): Uint8Array | null {
    return this.#peers.get(peer)?.current?.keepalive(now) ?? null;
  }

  /** Forgets a removed peer and ends its sessions. */
  forget(peer: string): void {
    this.#peers.forget(peer);
  }

  #takeTransport(message: TransportMessage, source: string, now: number): Authenticated | Ignored {
    const found = this.#peers.find(message.receiverIndex);
    if (found === undefined) return ignored('unknown-session');
    const received = found.session.receive(message, now);
    if (received.kind === 'ignored') return received;
    const first = this.#peers.confirm(found.session, found.state);
    const { peer } = found.state;
    return { kind: 'authenticated', peer, source, at: now, first, keepalive: received.keepalive };
  }

  /** WireGuard paper, section 5.4.2, from the responder's side. */
  #openInitiation(message: InitiationMessage, source: string): OpenedInitiation | Ignored {
    const state = this.#start.copy();
    state.mixEphemeral(message.ephemeral);
    const ephemeralKey = publicKeyObject(message.ephemeral);
    const ephemeralSecret = agree(this.#own.privateKey, ephemeralKey);
    const peerKey = ephemeralSecret && state.openAfter(ephemeralSecret, message.sealedStatic);
    if (peerKey === null) return ignored('forged');
    const staticKey = publicKeyObject(peerKey);
    const staticSecret = agree(this.#own.privateKey, staticKey);
    const timestamp = staticSecret && state.openAfter(staticSecret, message.sealedTimestamp);
    if (timestamp === null) return ignored('forged');
    const peer = Buffer.from(peerKey).toString('base64');
    const { chainingKey, hash } = state;
    const { senderIndex } = message;
    const pending = { peer, source, timestamp, senderIndex, ephemeralKey, staticKey, chainingKey, hash };
    return { kind: 'initiation', peer, timestamp, pending };
  }

  /** Section 5.4.3. */
  #respond(
    pending: PendingInitiation,
    presharedKey: Uint8Array,
    now: number,
  ): { datagram: Uint8Array; session: Session } | null {
    const { peer, senderIndex: remoteIndex } = pending;
    const state = new SymmetricState(pending.chainingKey, pending.hash);
    const pair = keyPairOf(this.#random(32));
    state.mixEphemeral(pair.publicKey);
    for (const key of [pending.ephemeralKey, pending.staticKey]) {
      const secret = agree(pair.privateKey, key);
      if (secret === null) return null;
      state.mixSecret(secret);
    }
    const sealedNothing = state.sealNothing(presharedKey);
    const localIndex = this.#peers.freeIndex(Buffer.from(this.#random(4)).readUInt32LE());
    const message = { senderIndex: localIndex, receiverIndex: remoteIndex, ephemeral: pair.publicKey, sealedNothing };
    const datagram = encodeResponse(message);
    stampMacs(datagram, macKeysOf(Buffer.from(peer, 'base64')), null);
    const [receiveKey, sendKey] = state.split();
    return { datagram, session: new Session({ peer, localIndex, remoteIndex, sendKey, receiveKey, createdAt: now }) };
  }
}

/** Minimum time between two initiations of one peer, in milliseconds, as in other implementations. */
const LEAST_BETWEEN_MS = 20;

function ignored(reason: IgnoredReason): Ignored {
  return { kind: 'ignored', reason };
}
