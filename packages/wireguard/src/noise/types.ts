import type { KeyObject } from 'node:crypto';

/**
 * What the handshake speaks of. Keys are base64 text of 32 bytes as everywhere in this package. `now` is in milliseconds of a
 * clock that never goes back; only differences count. `source` is where a datagram came from, as text that names address
 * and port (`192.0.2.1:51820`, `[2001:db8::1]:51820`), always written the same way for the same place.
 */

export interface ResponderOptions {
  /** Our own private key, base64. */
  readonly privateKey: string;
  /** Gives that many bytes nobody can guess (`randomBytes` of node:crypto; a seeded generator in simulations). */
  readonly random: (bytes: number) => Uint8Array;
  /**
   * Handshakes per second that are answered without asking for a cookie first. Default: 500, about a quarter of one core. A burst
   * of the same size is let through, then the responder counts as under load (WireGuard paper, section 5.3).
   */
  readonly handshakesPerSecond?: number;
  /**
   * Peers remembered at most: sessions and newest timestamp, about 4 KB each. The one whose handshake is oldest is forgotten.
   * Default: 65,536.
   */
  readonly maxPeers?: number;
}

/** What the caller knows of a peer that may connect. */
export interface KnownPeer {
  /** Base64; absent: none. */
  readonly presharedKey?: string;
}

/** Why a datagram was dropped. None of them is answered. */
export type IgnoredReason =
  /** Not a WireGuard message: type, length or reserved bytes. */
  | 'malformed'
  /** A response or cookie reply: a responder starts nothing, so it expects none. */
  | 'unexpected'
  /** MAC1 is wrong: the sender does not know our public key. */
  | 'bad-mac'
  /** Under load, and this address sent enough already. */
  | 'rate'
  /** The handshake does not decrypt. */
  | 'forged'
  /** The lookup does not know this public key. */
  | 'unknown-peer'
  /** The initiation's timestamp is not newer than that of an earlier one. */
  | 'replayed'
  /** This peer's last accepted initiation is not 20 ms old. */
  | 'flood'
  /** A transport message of no session of ours, or of one that is over. */
  | 'unknown-session'
  /** A transport message that does not decrypt. */
  | 'unauthentic'
  /** A transport message whose counter was seen already, or is too old to tell. */
  | 'repeated';

/** A datagram that got no answer, and why. */
export interface Ignored {
  readonly kind: 'ignored';
  readonly reason: IgnoredReason;
}

/** The same for an initiator; `unexpected`: no answer to one of its initiations. */
export interface InitiatorIgnored {
  readonly kind: 'ignored';
  readonly reason: Extract<IgnoredReason, 'malformed' | 'unexpected' | 'bad-mac' | 'forged'>;
}

/**
 * Send this datagram to the source, from the socket it came to. `peer`: whose initiation it answers; null for a cookie
 * reply, which proves nothing about anybody. A reply is no reason to believe in the source: wait for `authenticated`.
 */
export interface Reply {
  readonly kind: 'reply';
  readonly datagram: Uint8Array;
  readonly peer: string | null;
}

/**
 * Somebody who holds the private key of `peer` (and the preshared key) received our answer and made this transport message for
 * us, just now. Its payload, if there was any, is gone.
 */
export interface Authenticated {
  readonly kind: 'authenticated';
  /** Public key, base64. */
  readonly peer: string;
  readonly source: string;
  /** The `now` it was handed in with. */
  readonly at: number;
  /** The first message of its session: a handshake has just been completed. */
  readonly first: boolean;
  /** Whether it was empty, as a keepalive is. */
  readonly keepalive: boolean;
}

/**
 * A genuine initiation: only the holder of the private key of `peer` could have made it, though anybody who saw it may send
 * it again. Look the key up, then `accept` it or let it go.
 */
export interface OpenedInitiation {
  readonly kind: 'initiation';
  readonly peer: string;
  /** TAI64N, 12 bytes, which order like numbers. */
  readonly timestamp: Uint8Array;
  readonly pending: PendingInitiation;
}

/** The half of a handshake that waits for `accept`. Opaque; drop it when unwanted, nothing is held for it. */
export interface PendingInitiation {
  readonly peer: string;
  readonly source: string;
  readonly timestamp: Uint8Array;
  readonly senderIndex: number;
  readonly ephemeralKey: KeyObject;
  readonly staticKey: KeyObject;
  readonly chainingKey: Uint8Array;
  readonly hash: Uint8Array;
}
