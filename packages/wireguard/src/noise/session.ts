import { open, seal } from './aead.ts';
import { encodeTransport, type TransportMessage } from './messages.ts';
import { ReplayWindow } from './replay-window.ts';

/** Lifetime of a session in milliseconds (WireGuard paper, section 6.1). */
export const REJECT_AFTER_MS = 180_000;

/** Limit of counters. Counters from here on are neither sent nor accepted (same section). */
export const REJECT_AFTER_MESSAGES = (1n << 64n) - (1n << 13n) - 1n;

/** Transport keys and indices of a session. */
export interface SessionKeys {
  /** Public key of the other side, base64. */
  readonly peer: string;
  /** Our index of this session, which the other side sends. */
  readonly localIndex: number;
  /** The other side's index of this session, which we send. */
  readonly remoteIndex: number;
  /** 32 bytes each. */
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** Milliseconds on the clock of `now`. */
  readonly createdAt: number;
}

/** Result of opening a transport message. */
export type Received =
  /** The message is authentic and new. `keepalive`: it was empty. */
  | { readonly kind: 'authentic'; readonly keepalive: boolean }
  | { readonly kind: 'ignored'; readonly reason: 'unknown-session' | 'unauthentic' | 'repeated' };

/** Session of one side after a handshake (sections 5.4.5 and 5.4.6). `receive` only reports an arrival. */
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

  /** Returns an empty transport message, 32 bytes, or null after the end of the session. */
  keepalive(now: number): Uint8Array | null {
    return this.#send(NOTHING, now);
  }

  /**
   * Returns a transport message with zero bytes, 32 bytes longer than its content, or null after the end of the session.
   * The content is not an IP packet, so the other side drops it. As for any data, it sends a keepalive if it sends nothing
   * else for ten seconds (section 6.5). The keepalive shows that messages of this size arrive.
   */
  padding(bytes: number, now: number): Uint8Array | null {
    return this.#send(new Uint8Array(bytes), now);
  }

  /** Handles a transport message with our receiver index. */
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

  /** Returns a transport message with an IP packet, or null after the end of the session. */
  transport(packet: Uint8Array, now: number): Uint8Array | null {
    const padded = new Uint8Array(Math.ceil(packet.length / 16) * 16);
    padded.set(packet);
    return this.#send(padded, now);
  }

  /** Returns the content of a transport message with its padding. Returns null for a forged, replayed or foreign message. */
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
