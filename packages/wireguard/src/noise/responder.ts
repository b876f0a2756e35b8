import type {
  Authenticated,
  Ignored,
  KnownPeer,
  OpenedInitiation,
  PendingInitiation,
  Reply,
  ResponderOptions,
} from './types.ts';

/**
 * The answering side of the WireGuard handshake (Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s; WireGuard paper, sections 5 and 6),
 * without any IO: datagrams in, datagrams to send and facts out. It never carries traffic: all it tells is that a peer is
 * alive at a source. One per UDP socket and private key. Whatever is sent to it, work per datagram and memory are bounded,
 * and it never throws for what a datagram holds.
 *
 *     socket.on('message', (datagram, from) => {
 *       const result = responder.handle(datagram, textOf(from), performance.now(), (key) => peers.get(key) ?? null);
 *       if (result.kind === 'reply') socket.send(result.datagram, from.port, from.address);
 *       if (result.kind === 'authenticated') mappings.set(result.peer, result.source);
 *     });
 */
export class Responder {
  /** Our public key, base64: what peers configure. */
  readonly publicKey: string;

  constructor(options: ResponderOptions) {
    this.publicKey = options.privateKey;
  }

  /**
   * Takes one datagram whole. `lookup` says whether the public key of a genuine initiation is that of a peer. `underLoad` forces
   * cookies; without it the responder's own measure of handshakes per second decides.
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
    return known === null ? { kind: 'ignored', reason: 'unknown-peer' } : this.accept(opened.pending, known, now);
  }

  /** The first half of `handle`, for a lookup that takes time: everything but initiations is done with after it. */
  open(
    _datagram: Uint8Array,
    _source: string,
    _now: number,
    _underLoad = false,
  ): OpenedInitiation | Authenticated | Reply | Ignored {
    return { kind: 'ignored', reason: 'malformed' };
  }

  /** The second half: makes the response, and a session that the peer's first transport message will confirm. */
  accept(_pending: PendingInitiation, _known: KnownPeer, _now: number): Reply | Ignored {
    return { kind: 'ignored', reason: 'forged' };
  }

  /**
   * An empty transport message for this peer, so that it sees life and NATs on the way keep their mapping. Send it to where the
   * peer was last authenticated. Null: no confirmed session younger than 180 s.
   */
  keepalive(_peer: string, _now: number): Uint8Array | null {
    return null;
  }

  /** Drops all that is known of a peer; its sessions end at once. For peers that were removed. */
  forget(_peer: string): void {}
}
