import type { KeyObject } from 'node:crypto';

/**
 * Types of the handshake. Keys are base64 text of 32 bytes, as everywhere in this package. `now` is in milliseconds of a
 * monotonic clock. `source` is the origin of a datagram as canonical text of address and port (`192.0.2.1:51820`,
 * `[2001:db8::1]:51820`).
 */

export interface ResponderOptions {
  /** Our own private key, base64. */
  readonly privateKey: string;
  /** Returns that many secure random bytes (`randomBytes` of node:crypto; a seeded generator in simulations). */
  readonly random: (bytes: number) => Uint8Array;
  /**
   * Handshakes per second that are answered without a cookie. Default: 500, about a quarter of one core. After a burst of
   * the same size, the responder counts as under load (WireGuard paper, section 5.3).
   */
  readonly handshakesPerSecond?: number;
  /**
   * Maximum number of remembered peers, about 4 KB each. The peer with the oldest handshake is forgotten first. Default:
   * 65,536.
   */
  readonly maxPeers?: number;
}

/** Settings of a peer that may connect. */
export interface KnownPeer {
  /** Preshared key, base64. Absent: none. */
  readonly presharedKey?: string;
}

/** Reason for dropping a datagram without an answer. */
export type IgnoredReason =
  /** Not a WireGuard message: type, length or reserved bytes. */
  | 'malformed'
  /** A response or cookie reply, which a responder never expects. */
  | 'unexpected'
  /** MAC1 is wrong: the sender does not know our public key. */
  | 'bad-mac'
  /** The responder is under load, and this address has used up its budget. */
  | 'rate'
  /** The handshake does not decrypt. */
  | 'forged'
  /** The lookup has no peer for this public key. */
  | 'unknown-peer'
  /** The initiation's timestamp is not newer than that of an earlier one. */
  | 'replayed'
  /** This peer's last accepted initiation is not 20 ms old. */
  | 'flood'
  /** A transport message of an unknown or ended session. */
  | 'unknown-session'
  /** A transport message that does not decrypt. */
  | 'unauthentic'
  /** A transport message with a counter that was seen before or is too old. */
  | 'repeated';

/** A dropped datagram, with the reason. */
export interface Ignored {
  readonly kind: 'ignored';
  readonly reason: IgnoredReason;
}

/** A datagram that an initiator ignores. `unexpected`: it answers none of its initiations. */
export interface InitiatorIgnored {
  readonly kind: 'ignored';
  readonly reason: Extract<IgnoredReason, 'malformed' | 'unexpected' | 'bad-mac' | 'forged'>;
}

/**
 * A datagram to send to the source, from the socket that received the request. `peer`: sender of the answered initiation;
 * null for a cookie reply. A reply does not prove the source: wait for `authenticated`.
 */
export interface Reply {
  readonly kind: 'reply';
  readonly datagram: Uint8Array;
  readonly peer: string | null;
}

/**
 * The holder of the private key of `peer` (and of the preshared key) received our answer and has just sent this transport
 * message. Its payload is discarded.
 */
export interface Authenticated {
  readonly kind: 'authenticated';
  /** Public key, base64. */
  readonly peer: string;
  readonly source: string;
  /** Value of `now` at the call. */
  readonly at: number;
  /** Whether it is the first message of its session, which completes a handshake. */
  readonly first: boolean;
  /** Whether it was empty, like a keepalive. */
  readonly keepalive: boolean;
}

/**
 * A genuine initiation: only the holder of the private key of `peer` can create it. Others can replay it. Look up the key,
 * then `accept` or drop the initiation.
 */
export interface OpenedInitiation {
  readonly kind: 'initiation';
  readonly peer: string;
  /** TAI64N label, 12 bytes, big-endian. */
  readonly timestamp: Uint8Array;
  readonly pending: PendingInitiation;
}

/** Opaque state of a handshake that waits for `accept`. It can be dropped at any time. */
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
