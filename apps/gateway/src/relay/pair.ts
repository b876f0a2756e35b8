import { addresseeTest, headerOf } from '@sallyport/wireguard';

/** Where a datagram comes from or goes to, canonical: `192.0.2.1:51820` or `[2001:db8::1]:51820`. */
export type Address = string;

export interface PairPeer {
  readonly id: string;
  /** WireGuard public key, base64. */
  readonly publicKey: string;
  /** Where to look for a peer that has not spoken yet. */
  readonly endpoint: Address | null;
}

/** A datagram that is to go out, unchanged, from the pair's port. */
export interface Forward {
  readonly to: Address;
  readonly datagram: Uint8Array;
}

/** Address of each of the two peers; null: not learned yet. */
export type Learned = readonly [Address | null, Address | null];

/** An initiation that nobody has answered yet: where its sender claims to be. */
interface Offer {
  readonly from: Address;
  readonly sender: number;
  readonly at: number;
  /** Handshakes that may be sent there: it may be somebody who never asked. */
  left: number;
}

/** An answer between two places that nobody knows: it counts when its receiver has taken it, and sends data. */
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
  /** Where somebody got handshakes for it, for he has answered. Newest last. */
  reached: Address[];
  /** Newest last, one for each address. */
  offers: Offer[];
  /** Index of its initiation that was answered last. */
  answered: number | null;
  /** Last initiation from here, for a peer that is not there yet. */
  held: { readonly datagram: Uint8Array; readonly at: number } | null;
}

/**
 * Forwards between two WireGuard peers what it cannot read, and finds out where they are from their handshakes: MAC1 tells
 * for whom a handshake message is, so who sent it. A new address is where its handshakes are answered to, and becomes the
 * peer's only when the other end answers one (with the index that was in it) from where it is known to be. Anybody who knows
 * both public keys can write both messages, but not receive at that place: nobody without a private key moves a peer of a
 * living pair. When no place is known, or no session can be alive, whoever completes a handshake is believed.
 * Data passes between learned addresses alone. Sans-IO; times are epoch milliseconds.
 */
export class RelayPair {
  readonly #sides: readonly [Side, Side];
  #meetings: Meeting[] = [];
  /** When a peer has last answered from where it is known to be. */
  #provenAt = -Infinity;

  constructor(peers: readonly [PairPeer, PairPeer], learned: Learned = [null, null]) {
    this.#sides = [newSide(peers[0], learned[0]), newSide(peers[1], learned[1])];
  }

  get learned(): Learned {
    return [this.#sides[0].learned, this.#sides[1].learned];
  }

  /** What is to be sent because of a datagram; nothing for what is not a handshake of this pair, or data of strangers. */
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
    // Who is where he is known to be is not crowded out by others.
    const least = side.offers.find((offer) => !isKnown(side, offer.from));
    if (side.offers.length > maxOffers) side.offers = side.offers.filter((offer) => offer !== least);
    side.held = { datagram, at: now };
    const waiting = this.#heldFor(side, other, from, now);
    return [...places(other, now).map((to) => ({ to, datagram })), ...waiting];
  }

  /** What the other peer began while this one was nowhere. */
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
    // It knew the index, so what was sent to it arrived there.
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

  /** Cookies carry no MAC1; the index in them is that of the initiation that they answer. */
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

  /** Side that sent a handshake message, and the one that it is for. */
  #sender(datagram: Uint8Array): readonly [Side, Side] | null {
    const [a, b] = this.#sides;
    if (b.isAddressee(datagram)) return [a, b];
    return a.isAddressee(datagram) ? [b, a] : null;
  }
}

/** WireGuard gives an attempt up after 5 s (paper, section 6.4). */
const offerMs = 6_000;
const heldMs = 5_000;
/** Addresses at which a peer may be thought to be at a time. */
const maxOffers = 4;
const maxReached = 2;
/** Handshakes that one initiation of unknown origin may bring to where it says that it came from. */
const mostToOffer = 2;
/** WireGuard sessions end (paper, section 6.1), and those that live are renewed long before. */
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

/** Each initiation has an index of its own: the same one from elsewhere was overheard. */
function isRepeated({ offers, answered }: Side, from: Address, sender: number): boolean {
  return sender === answered || offers.some((offer) => offer.sender === sender && offer.from !== from);
}

function isKnown({ learned, peer }: Side, place: Address): boolean {
  return place === learned || place === peer.endpoint;
}

/** Where a peer may be found: where it is known to be, where it was told to be, and where somebody says he is it. */
function places({ learned, peer, reached, offers }: Side, now: number): Address[] {
  const known = [learned, peer.endpoint, ...reached].filter((place) => place !== null);
  const claimed = offers.filter(({ from, at, left }) => now - at < offerMs && left > 0 && !known.includes(from));
  for (const offer of claimed) offer.left -= 1;
  return [...new Set([...known, ...claimed.map(({ from }) => from)])];
}
