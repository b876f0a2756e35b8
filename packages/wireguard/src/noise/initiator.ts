import type { KeyObject } from 'node:crypto';
import { invalid } from '../errors.ts';
import { KEY_BYTES, parseKey } from '../keys.ts';
import { COOKIE_MS, hasMac1, type MacKeys, macKeysOf, openCookie, stampMacs } from './macs.ts';
import { type CookieMessage, decodeMessage, encodeInitiation, type ResponseMessage } from './messages.ts';
import { Session } from './session.ts';
import { SymmetricState } from './symmetric.ts';
import type { InitiatorIgnored, KnownPeer } from './types.ts';
import { agree, type KeyPair, keyPairOf, publicKeyObject } from './x25519.ts';

/** Keys and sources of time and randomness of an initiator. */
export interface InitiatorOptions extends KnownPeer {
  /** Our own private key, base64. */
  readonly privateKey: string;
  /** The responder's public key, base64. */
  readonly publicKey: string;
}

/** Random values and times of one initiation. */
export interface Attempt {
  /** 32 random bytes, used only for this initiation. */
  readonly ephemeral: Uint8Array;
  /** 32 random bits, different from those of other attempts and sessions on this socket. */
  readonly senderIndex: number;
  /** `tai64n` of now. It must increase over all initiations of this private key. */
  readonly timestamp: Uint8Array;
  /** Milliseconds of a clock that never goes back. */
  readonly now: number;
}

/** Result of an answer to an initiation: a session, a cookie, or the reason for ignoring it. */
export type Answer =
  /** The handshake is complete. Send `session.keepalive` to confirm it to the responder. */
  | { readonly kind: 'session'; readonly session: Session; readonly roundTripMs: number }
  /** The responder is under load. Send the next initiation, which has its cookie, after a pause (5 s in the paper). */
  | { readonly kind: 'cookie' }
  | InitiatorIgnored;

/** Number of remembered initiations, so that a late answer to an earlier one still counts. */
const OUTSTANDING = 16;

/** Initiator of the WireGuard handshake (WireGuard paper, sections 5 and 6), without IO. */
export class Initiator {
  readonly #own: KeyPair;
  readonly #peer: string;
  readonly #remote: KeyObject;
  readonly #staticSecret: Uint8Array;
  readonly #presharedKey: Uint8Array;
  readonly #start: SymmetricState;
  readonly #theirMacs: MacKeys;
  readonly #ownMacs: MacKeys;
  readonly #outstanding = new Map<number, Outstanding>();
  #cookie: { readonly bytes: Uint8Array; readonly receivedAt: number } | null = null;

  /** Throws `invalid` for malformed keys. */
  constructor(options: InitiatorOptions) {
    const remote = parseKey(options.publicKey, 'public key');
    this.#own = keyPairOf(parseKey(options.privateKey, 'private key'));
    this.#peer = options.publicKey;
    this.#remote = publicKeyObject(remote);
    const secret = agree(this.#own.privateKey, this.#remote);
    if (secret === null) throw invalid('public key is a point of low order, which keeps no secret');
    this.#staticSecret = secret;
    this.#presharedKey = presharedKeyOf(options);
    this.#start = SymmetricState.towards(remote);
    this.#theirMacs = macKeysOf(remote);
    this.#ownMacs = macKeysOf(this.#own.publicKey);
  }

  /** Returns an initiation to send to the responder (section 5.4.2). */
  initiate({ ephemeral, senderIndex, timestamp, now }: Attempt): Uint8Array {
    const pair = keyPairOf(ephemeral);
    const state = this.#start.copy();
    state.mixEphemeral(pair.publicKey);
    // Never zero, because the constructor rejects points of low order.
    const sealedStatic = state.sealAfter(agreed(pair.privateKey, this.#remote), this.#own.publicKey);
    const sealedTimestamp = state.sealAfter(this.#staticSecret, timestamp);
    const datagram = encodeInitiation({ senderIndex, ephemeral: pair.publicKey, sealedStatic, sealedTimestamp });
    const mac1 = stampMacs(datagram, this.#theirMacs, this.#freshCookie(now));
    this.#remember(senderIndex, { pair, state, mac1, sentAt: now });
    return datagram;
  }

  /** Handles a received datagram. Ignores all but answers to the last sixteen initiations. */
  receive(datagram: Uint8Array, now: number): Answer {
    const message = decodeMessage(datagram);
    if (message === null) return { kind: 'ignored', reason: 'malformed' };
    if (message.kind === 'response') {
      if (!hasMac1(datagram, this.#ownMacs)) return { kind: 'ignored', reason: 'bad-mac' };
      return this.#takeResponse(message, now);
    }
    if (message.kind === 'cookie') return this.#takeCookie(message, now);
    return { kind: 'ignored', reason: 'unexpected' };
  }

  /** Section 5.4.3. */
  #takeResponse(message: ResponseMessage, now: number): Answer {
    const attempt = this.#outstanding.get(message.receiverIndex);
    if (attempt === undefined) return { kind: 'ignored', reason: 'unexpected' };
    const state = attempt.state.copy();
    const ephemeral = publicKeyObject(message.ephemeral);
    const secrets = [agree(attempt.pair.privateKey, ephemeral), agree(this.#own.privateKey, ephemeral)];
    state.mixEphemeral(message.ephemeral);
    for (const secret of secrets) {
      if (secret === null) return { kind: 'ignored', reason: 'forged' };
      state.mixSecret(secret);
    }
    if (!state.opensNothing(this.#presharedKey, message.sealedNothing)) return { kind: 'ignored', reason: 'forged' };
    this.#outstanding.delete(message.receiverIndex);
    const [sendKey, receiveKey] = state.split();
    const indices = { localIndex: message.receiverIndex, remoteIndex: message.senderIndex };
    const session = new Session({ peer: this.#peer, ...indices, sendKey, receiveKey, createdAt: now });
    return { kind: 'session', session, roundTripMs: now - attempt.sentAt };
  }

  #takeCookie(message: CookieMessage, now: number): Answer {
    const attempt = this.#outstanding.get(message.receiverIndex);
    if (attempt === undefined) return { kind: 'ignored', reason: 'unexpected' };
    const bytes = openCookie(message, this.#theirMacs, attempt.mac1);
    if (bytes === null) return { kind: 'ignored', reason: 'forged' };
    this.#cookie = { bytes, receivedAt: now };
    return { kind: 'cookie' };
  }

  #freshCookie(now: number): Uint8Array | null {
    return this.#cookie !== null && now - this.#cookie.receivedAt < COOKIE_MS ? this.#cookie.bytes : null;
  }

  #remember(senderIndex: number, attempt: Outstanding): void {
    this.#outstanding.delete(senderIndex);
    this.#outstanding.set(senderIndex, attempt);
    const [oldest] = this.#outstanding.keys();
    if (this.#outstanding.size > OUTSTANDING && oldest !== undefined) this.#outstanding.delete(oldest);
  }
}

interface Outstanding {
  readonly pair: KeyPair;
  readonly state: SymmetricState;
  readonly mac1: Uint8Array;
  readonly sentAt: number;
}

/** Returns the preshared key, 32 bytes. Zero means none (section 5.4.3). Throws `invalid` for a malformed key. */
export function presharedKeyOf({ presharedKey }: KnownPeer): Uint8Array {
  return presharedKey === undefined ? new Uint8Array(KEY_BYTES) : parseKey(presharedKey, 'preshared key');
}

function agreed(privateKey: KeyObject, publicKey: KeyObject): Uint8Array {
  const secret = agree(privateKey, publicKey);
  if (secret === null) throw invalid('public key is a point of low order, which keeps no secret');
  return secret;
}
