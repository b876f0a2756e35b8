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
}

interface Side {
  readonly peer: PairPeer;
  readonly isAddressee: (datagram: Uint8Array) => boolean;
  learned: Address | null;
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
 * peer's only when the other end answers one (with the index that was in it): nobody without the private key moves a peer.
 * Data passes between learned addresses alone. Sans-IO; times are epoch milliseconds.
 */
export class RelayPair {
  readonly #sides: readonly [Side, Side];

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
        return this.#response(from, header.receiver, datagram, now);
      case 'cookie':
        return this.#cookie(header.receiver, datagram, now);
      case 'transport':
        return this.#transport(from, datagram);
      default:
        return [];
    }
  }

  #initiation(from: Address, sender: number, datagram: Uint8Array, now: number): Forward[] {
    const [side, other] = this.#sender(datagram) ?? [];
    if (side === undefined || other === undefined || isRepeated(side, from, sender)) return [];
    const fresh = side.offers.filter((offer) => offer.from !== from && now - offer.at < offerMs);
    side.offers = [...fresh, { from, sender, at: now }].slice(-maxOffers);
    side.held = { datagram, at: now };
    const waiting = this.#heldFor(side, other, from, now);
    return [...places(other, now).map((to) => ({ to, datagram })), ...waiting];
  }

  /** What the other peer began while this one was nowhere. */
  #heldFor(side: Side, other: Side, from: Address, now: number): Forward[] {
    const { held } = other;
    if (held === null || now - held.at >= heldMs || side.learned === from) return [];
    return [{ to: from, datagram: held.datagram }];
  }

  #response(from: Address, receiver: number, datagram: Uint8Array, now: number): Forward[] {
    const [side, other] = this.#sender(datagram) ?? [];
    const offer = other?.offers.find(({ sender, at }) => sender === receiver && now - at < offerMs);
    if (side === undefined || other === undefined || offer === undefined) return [];
    other.learned = offer.from;
    other.offers = [];
    other.answered = receiver;
    other.held = null;
    // It knew the index, so what was sent to it arrived there.
    side.learned = from;
    return [{ to: offer.from, datagram }];
  }

  /** Cookies carry no MAC1; the index in them is that of the initiation that they answer. */
  #cookie(receiver: number, datagram: Uint8Array, now: number): Forward[] {
    for (const { offers } of this.#sides) {
      const offer = offers.find(({ sender, at }) => sender === receiver && now - at < offerMs);
      if (offer !== undefined) return [{ to: offer.from, datagram }];
    }
    return [];
  }

  #transport(from: Address, datagram: Uint8Array): Forward[] {
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

function newSide(peer: PairPeer, learned: Address | null): Side {
  return { peer, isAddressee: addresseeTest(peer.publicKey), learned, offers: [], answered: null, held: null };
}

/** Each initiation has an index of its own: the same one from elsewhere was overheard. */
function isRepeated({ offers, answered }: Side, from: Address, sender: number): boolean {
  return sender === answered || offers.some((offer) => offer.sender === sender && offer.from !== from);
}

/** Where a peer may be found: where it is known to be, where it was told to be, and where somebody says he is it. */
function places({ learned, peer, offers }: Side, now: number): Address[] {
  const claimed = offers.filter(({ at }) => now - at < offerMs).map(({ from }) => from);
  return [...new Set([learned ?? peer.endpoint, ...claimed])].filter((place) => place !== null);
}
