import { open, seal } from './aead.ts';
import { encodeTransport, type TransportMessage } from './messages.ts';
import { ReplayWindow } from './replay-window.ts';

/** Milliseconds after which a session is over (WireGuard paper, section 6.1). */
export const REJECT_AFTER_MS = 180_000;

/** Counters from here on are neither sent nor taken (same section). */
export const REJECT_AFTER_MESSAGES = (1n << 64n) - (1n << 13n) - 1n;

/** Transport keys and indices of a session. */
export interface SessionKeys {
  /** Public key of the other side, base64. */
  readonly peer: string;
  /** The index by which the other side names this session to us. */
  readonly localIndex: number;
  /** The index by which we name it to the other side. */
  readonly remoteIndex: number;
  /** 32 bytes each. */
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** Milliseconds, on the clock that `now` of the methods is on. */
  readonly createdAt: number;
}

/** Result of opening a transport message. */
export type Received =
  /** Authentic, and not seen before. `keepalive`: it was empty. */
  | { readonly kind: 'authentic'; readonly keepalive: boolean }
  | { readonly kind: 'ignored'; readonly reason: 'unknown-session' | 'unauthentic' | 'repeated' };

/** The keys that a handshake leaves on one side (sections 5.4.5 and 5.4.6). `receive` tells only that something arrived. */
export class Session {
  readonly keys: SessionKeys;
  readonly #window = new ReplayWindow();
  #sent = 0n;

  constructor(keys: SessionKeys) {
    this.keys = keys;
  }

  isOver(now: number): boolean {
    return now - this.keys.createdAt >= REJECT_AFTER_MS || this.#sent >= REJECT_AFTER_MESSAGES;
  }

  /** An empty transport message, 32 bytes; null when the session is over. */
  keepalive(now: number): Uint8Array | null {
    return this.#send(NOTHING, now);
  }

  /**
   * A transport message with so many zero bytes inside, 32 bytes longer than that; null when the session is over. They are no
   * IP packet, so the other side drops them; but as for any data, it sends a keepalive when it has had nothing else to send
   * for ten seconds (section 6.5). That shows that messages of this size arrive.
   */
  padding(bytes: number, now: number): Uint8Array | null {
    return this.#send(new Uint8Array(bytes), now);
  }

  /** Takes a transport message whose receiver index is ours. */
  receive(message: TransportMessage, now: number): Received {
    const { receiverIndex, counter, sealed } = message;
    if (receiverIndex !== this.keys.localIndex || this.isOver(now) || counter >= REJECT_AFTER_MESSAGES) {
      return { kind: 'ignored', reason: 'unknown-session' };
    }
    if (!this.#window.isFresh(counter)) return { kind: 'ignored', reason: 'repeated' };
    const plain = open(this.keys.receiveKey, counter, sealed, NOTHING);
    if (plain === null) return { kind: 'ignored', reason: 'unauthentic' };
    this.#window.take(counter);
    return { kind: 'authentic', keepalive: plain.length === 0 };
  }

  /** A transport message that carries an IP packet; null when the session is over. */
  transport(packet: Uint8Array, now: number): Uint8Array | null {
    const padded = new Uint8Array(Math.ceil(packet.length / 16) * 16);
    padded.set(packet);
    return this.#send(padded, now);
  }

  /** What a transport message carries, padding included; null: it is not authentic, was seen before, or is of another session. */
  open({ receiverIndex, counter, sealed }: TransportMessage, now: number): Uint8Array | null {
    if (receiverIndex !== this.keys.localIndex || this.isOver(now) || counter >= REJECT_AFTER_MESSAGES) return null;
    if (!this.#window.isFresh(counter)) return null;
    const plain = open(this.keys.receiveKey, counter, sealed, NOTHING);
    if (plain !== null) this.#window.take(counter);
    return plain;
  }

  #send(plain: Uint8Array, now: number): Uint8Array | null {
    if (this.isOver(now)) return null;
    const counter = this.#sent++;
    const sealed = seal(this.keys.sendKey, counter, plain, NOTHING);
    return encodeTransport({ receiverIndex: this.keys.remoteIndex, counter, sealed });
  }
}

const NOTHING = new Uint8Array(0);
