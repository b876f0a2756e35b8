import { timingSafeEqual } from 'node:crypto';
import { xOpen, xSeal } from './aead.ts';
import { hash, mac } from './hash.ts';
import { type CookieMessage, encodeCookie } from './messages.ts';

/** Lifetime of a cookie and its secret, in milliseconds (WireGuard paper, section 5.4.7). */
export const COOKIE_MS = 120_000;

/** The two keys that derive from a public key (sections 5.4.4 and 5.4.7). */
export interface MacKeys {
  readonly mac1: Uint8Array;
  readonly cookie: Uint8Array;
}

/** Returns the keys for messages *to* the holder of this public key. */
export function macKeysOf(publicKey: Uint8Array): MacKeys {
  return { mac1: hash(Buffer.from('mac1----'), publicKey), cookie: hash(Buffer.from('cookie--'), publicKey) };
}

/** Writes MAC1, and MAC2 if there is a cookie, into the last 32 bytes of a handshake message. Returns MAC1. */
export function stampMacs(message: Uint8Array, keys: MacKeys, cookie: Uint8Array | null): Uint8Array {
  const mac1 = mac(keys.mac1, message.subarray(0, -32));
  message.set(mac1, message.length - 32);
  if (cookie !== null) message.set(mac(cookie, message.subarray(0, -16)), message.length - 16);
  return mac1;
}

/** Returns whether MAC1 of a handshake message is correct, which shows that the sender knows the public key. */
export function hasMac1(message: Uint8Array, keys: MacKeys): boolean {
  return timingSafeEqual(mac(keys.mac1, message.subarray(0, -32)), message.subarray(-32, -16));
}

/** Opens the cookie in a reply to the message with `mac1`. Returns null on failure. `keys`: those of the replying side. */
export function openCookie(reply: CookieMessage, keys: MacKeys, mac1: Uint8Array): Uint8Array | null {
  return xOpen(keys.cookie, reply.nonce, reply.sealedCookie, mac1);
}

/** Cookies of a responder. A cookie proves that a sender receives datagrams at its address and port. */
export class CookieJar {
  readonly #keys: MacKeys;
  readonly #random: (bytes: number) => Uint8Array;
  #secret: { readonly bytes: Uint8Array; readonly madeAt: number } | null = null;

  constructor(keys: MacKeys, random: (bytes: number) => Uint8Array) {
    this.#keys = keys;
    this.#random = random;
  }

  /** Returns whether MAC2 uses the current cookie of this source. */
  hasMac2(message: Uint8Array, source: string, now: number): boolean {
    return timingSafeEqual(mac(this.#cookieOf(source, now), message.subarray(0, -16)), message.subarray(-16));
  }

  /** Returns a cookie reply for the sender of a message. */
  reply(senderIndex: number, mac1: Uint8Array, source: string, now: number): Uint8Array {
    const nonce = this.#random(24);
    const sealedCookie = xSeal(this.#keys.cookie, nonce, this.#cookieOf(source, now), mac1);
    return encodeCookie({ receiverIndex: senderIndex, nonce, sealedCookie });
  }

  #cookieOf(source: string, now: number): Uint8Array {
    if (this.#secret === null || now - this.#secret.madeAt >= COOKIE_MS) {
      this.#secret = { bytes: this.#random(32), madeAt: now };
    }
    return mac(this.#secret.bytes, Buffer.from(source));
  }
}
