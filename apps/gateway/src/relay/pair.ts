import { addresseeTest, headerOf } from '@sallyport/wireguard';

/** Source or destination of a datagram, canonical: `192.0.2.1:51820` or `[2001:db8::1]:51820`. */
export type Address = string;

/** One peer of a pair. */
export interface PairPeer {
  readonly id: string;
  /** WireGuard public key, base64. */
  readonly publicKey: string;
  /** Where to send to a peer that has not sent yet. */
  readonly endpoint: Address | null;
}

/** A datagram to send, unchanged, from the pair's port. */
export interface Forward {
  readonly to: Address;
  readonly datagram: Uint8Array;
}

/** Address of each of the two peers; null until learned. */
export type Learned = readonly [Address | null, Address | null];

/** An unanswered initiation, with the claimed address of its sender. */
interface Offer {
  readonly from: Address;
  readonly sender: number;
  readonly at: number;
  /** Number of handshakes that may be sent there, because the owner of the address may not have asked for them. */
  left: number;
}

/** An answer between two unknown addresses. It counts once its receiver accepts it and sends data. */
interface Meeting {
  readonly initiator: Side;
  readonly at: readonly [initiator: Address, responder: Address];
  /** Index in the answer, which only data of its receiver carries. */
  readonly index: number;
  readonly since: number;
}

interface Side {
  readonly peer: PairPeer;
  readonly isAddressee: (datagram: Uint8Array) => boolean;
  learned: Address | null;
  /** Addresses where a peer received handshakes and answered them. Newest last. */
  reached: Address[];
  /** Newest last, one for each address. */
  offers: Offer[];
  /** Index of its last answered initiation. */
  answered: number | null;
  /** Last initiation from this peer for a peer that is not present yet. */
  held: { readonly datagram: Uint8Array; readonly at: number } | null;
}

/**
 * Forwards datagrams between two WireGuard peers without reading them, and learns their addresses from handshakes. MAC1
 * names the receiver of a handshake message, and so the sender. A new address receives answers to its handshakes. It
 * becomes the peer's address only when the other end answers such a handshake (with its index) from a known address. An
 * attacker with both public keys can forge both messages, but cannot receive at that address. So only a holder of a
 * private key moves a peer of a live pair. When no address is known, or no session can be alive, any completed
 * handshake counts. Data passes between learned addresses only. Sans-IO; times are epoch milliseconds.
 */
export class RelayPair {
  readonly #sides: readonly [Side, Side];
  #meetings: Meeting[] = [];
  /** Time of a peer's last answer from its known address. */
  #provenAt = -Infinity;

  constructor(peers: readonly [PairPeer, PairPeer], learned: Learned = [null, null]) {
    this.#sides = [newSide(peers[0], learned[0]), newSide(peers[1], learned[1])];
  }

  get learned(): Learned {
    return [this.#sides[0].learned, this.#sides[1].learned];
  }

  /** Returns the datagrams to send for a received one; none for foreign handshakes and data of strangers. */
  receive(from: Address, datagram: Uint8Array, now: number): Forward[] {
    const header = headerOf(datagram);
    switch (header?.kind) {
      case 'initiation':
        return this.#initiation(from, header.sender, datagram, now);
      case 'response':
        return this.#response(from, header, datagram, now);
      case 'cookie':
        return this.#cookie(header.receiver, datagram, now);
      case 'transport':
        return this.#transport(from, header.receiver, datagram, now);
      default:
        return [];
    }
  }

  #initiation(from: Address, sender: number, datagram: Uint8Array, now: number): Forward[] {
    const [side, other] = this.#sender(datagram) ?? [];
    if (side === undefined || other === undefined || isRepeated(side, from, sender)) return [];
    const fresh = side.offers.filter((offer) => offer.from !== from && now - offer.at < offerMs);
    side.offers = [...fresh, { from, sender, at: now, left: mostToOffer }];
    // A peer at its known address is not displaced by others.
    const least = side.offers.find((offer) => !isKnown(side, offer.from));
    if (side.offers.length > maxOffers) side.offers = side.offers.filter((offer) => offer !== least);
    side.held = { datagram, at: now };
    const waiting = this.#heldFor(side, other, from, now);
    return [...places(other, now).map((to) => ({ to, datagram })), ...waiting];
  }

  /** Initiation of the other peer while this one had no address. */
  #heldFor(side: Side, other: Side, from: Address, now: number): Forward[] {
    const { held } = other;
    const offer = side.offers.at(-1);
    const late = held === null || now - held.at >= heldMs;
    if (late || side.learned === from || side.reached.includes(from) || offer === undefined) return [];
    offer.left -= 1;
    return [{ to: from, datagram: held.datagram }];
  }

  #response(
    from: Address,
    { sender, receiver }: { readonly sender: number; readonly receiver: number },
    datagram: Uint8Array,
    now: number,
  ): Forward[] {
    const [side, other] = this.#sender(datagram) ?? [];
    const offer = other?.offers.find((one) => one.sender === receiver && now - one.at < offerMs);
    if (side === undefined || other === undefined || offer === undefined) return [];
    // It knew the index, so it received the datagram there.
    if (isKnown(side, from)) this.#believe(other, offer.from, from, now);
    else if (now - this.#provenAt >= sessionMs) {
      const meeting = { initiator: other, at: [offer.from, from], index: sender, since: now } as const;
      this.#meetings = [...this.#meetings, meeting].slice(-maxOffers);
      side.reached = [...side.reached.filter((place) => place !== from), from].slice(-maxReached);
    }
    other.answered = receiver;
    return [{ to: offer.from, datagram }];
  }

  #believe(initiator: Side, initiatorAt: Address, responderAt: Address, now: number): void {
    this.#provenAt = now;
    this.#meetings = [];
    for (const side of this.#sides) {
      side.learned = side === initiator ? initiatorAt : responderAt;
      side.reached = [];
      side.offers = side === initiator ? [] : side.offers;
      side.held = side === initiator ? null : side.held;
    }
  }

  /** Cookies carry no MAC1; their index is that of the initiation they answer. */
  #cookie(receiver: number, datagram: Uint8Array, now: number): Forward[] {
    for (const { offers } of this.#sides) {
      const offer = offers.find(({ sender, at }) => sender === receiver && now - at < offerMs);
      if (offer !== undefined) return [{ to: offer.from, datagram }];
    }
    return [];
  }

  #transport(from: Address, receiver: number, datagram: Uint8Array, now: number): Forward[] {
    const met = this.#meetings.find(({ at, index, since }) => {
      return index === receiver && at[0] === from && now - since < offerMs;
    });
    if (met !== undefined) this.#believe(met.initiator, ...met.at, now);
    const [a, b] = this.#sides;
    const to = from === a.learned ? b.learned : from === b.learned ? a.learned : null;
    return to === null ? [] : [{ to, datagram }];
  }

  /** Returns the sender and the receiver of a handshake message. */
  #sender(datagram: Uint8Array): readonly [Side, Side] | null {
    const [a, b] = this.#sides;
    if (b.isAddressee(datagram)) return [a, b];
    return a.isAddressee(datagram) ? [b, a] : null;
  }
}

/** WireGuard abandons an attempt after 5 s (paper, section 6.4). */
const offerMs = 6_000;
const heldMs = 5_000;
/** Limit of candidate addresses of a peer at a time. */
const maxOffers = 4;
const maxReached = 2;
/** Limit of handshakes that one initiation of unknown origin can cause to its claimed address. */
const mostToOffer = 2;
/** WireGuard sessions end (paper, section 6.1), and live sessions are renewed long before. */
const sessionMs = 180_000;

function newSide(peer: PairPeer, learned: Address | null): Side {
  return {
    peer,
    isAddressee: addresseeTest(peer.publicKey),
    learned,
    reached: [],
    offers: [],
    answered: null,
    held: null,
  };
}

/** Each initiation has its own index: the same index from another address was replayed. */
function isRepeated({ offers, answered }: Side, from: Address, sender: number): boolean {
  return sender === answered || offers.some((offer) => offer.sender === sender && offer.from !== from);
}

function isKnown({ learned, peer }: Side, place: Address): boolean {
  return place === learned || place === peer.endpoint;
}

/** Returns candidate addresses of a peer: its known address, its configured endpoint, and claimed addresses. */
function places({ learned, peer, reached, offers }: Side, now: number): Address[] {
  const known = [learned, peer.endpoint, ...reached].filter((place) => place !== null);
  const claimed = offers.filter(({ from, at, left }) => now - at < offerMs && left > 0 && !known.includes(from));
  for (const offer of claimed) offer.left -= 1;
  return [...new Set([...known, ...claimed.map(({ from }) => from)])];
}
