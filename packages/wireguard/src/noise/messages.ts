/** The four messages of the WireGuard paper, section 5.4, as fields. Numbers on the wire are little-endian. */
export type Message = InitiationMessage | ResponseMessage | CookieMessage | TransportMessage;

/** Section 5.4.2, 148 bytes. */
export interface InitiationMessage {
  readonly kind: 'initiation';
  /** 32-bit index that the sender chooses. Answers refer to it. */
  readonly senderIndex: number;
  /** 32 bytes. */
  readonly ephemeral: Uint8Array;
  /** 48 bytes. */
  readonly sealedStatic: Uint8Array;
  /** 28 bytes. */
  readonly sealedTimestamp: Uint8Array;
  /** 16 bytes each. */
  readonly mac1: Uint8Array;
  readonly mac2: Uint8Array;
}

/** Section 5.4.3, 92 bytes. */
export interface ResponseMessage {
  readonly kind: 'response';
  readonly senderIndex: number;
  readonly receiverIndex: number;
  /** 32 bytes. */
  readonly ephemeral: Uint8Array;
  /** 16 bytes: the tag of an empty text. */
  readonly sealedNothing: Uint8Array;
  /** 16 bytes each. */
  readonly mac1: Uint8Array;
  readonly mac2: Uint8Array;
}

/** Section 5.4.7, 64 bytes. */
export interface CookieMessage {
  readonly kind: 'cookie';
  readonly receiverIndex: number;
  /** 24 bytes. */
  readonly nonce: Uint8Array;
  /** 32 bytes. */
  readonly sealedCookie: Uint8Array;
}

/** Section 5.4.6, 16 bytes and the sealed packet. */
export interface TransportMessage {
  readonly kind: 'transport';
  readonly receiverIndex: number;
  readonly counter: bigint;
  /** At least the 16 bytes of the tag. */
  readonly sealed: Uint8Array;
}

/** Decodes a datagram. Fields are views into it. Returns null unless type, length and reserved bytes are exact. */
export function decodeMessage(datagram: Uint8Array): Message | null {
  if (datagram.length < TRANSPORT_LEAST) return null;
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const part = (from: number, to?: number): Uint8Array => datagram.subarray(from, to);
  const index = (offset: number): number => view.getUint32(offset, true);
  // One type byte and three reserved zeros, read as one number.
  switch (view.getUint32(0, true)) {
    case 1:
      if (datagram.length !== INITIATION_BYTES) return null;
      return {
        kind: 'initiation',
        senderIndex: index(4),
        ephemeral: part(8, 40),
        sealedStatic: part(40, 88),
        sealedTimestamp: part(88, 116),
        mac1: part(116, 132),
        mac2: part(132),
      };
    case 2:
      if (datagram.length !== RESPONSE_BYTES) return null;
      return {
        kind: 'response',
        senderIndex: index(4),
        receiverIndex: index(8),
        ephemeral: part(12, 44),
        sealedNothing: part(44, 60),
        mac1: part(60, 76),
        mac2: part(76),
      };
    case 3:
      if (datagram.length !== COOKIE_BYTES) return null;
      return { kind: 'cookie', receiverIndex: index(4), nonce: part(8, 32), sealedCookie: part(32) };
    case 4:
      return { kind: 'transport', receiverIndex: index(4), counter: view.getBigUint64(8, true), sealed: part(16) };
    default:
      return null;
  }
}

/** Returns the bytes of an initiation with both MACs zero. */
export function encodeInitiation(m: Omit<InitiationMessage, 'kind' | 'mac1' | 'mac2'>): Uint8Array {
  return Buffer.concat([words(1, m.senderIndex), m.ephemeral, m.sealedStatic, m.sealedTimestamp, NO_MACS]);
}

/** Returns the bytes of a response with both MACs zero. */
export function encodeResponse(m: Omit<ResponseMessage, 'kind' | 'mac1' | 'mac2'>): Uint8Array {
  return Buffer.concat([words(2, m.senderIndex, m.receiverIndex), m.ephemeral, m.sealedNothing, NO_MACS]);
}

/** Returns the bytes of a cookie reply. */
export function encodeCookie(m: Omit<CookieMessage, 'kind'>): Uint8Array {
  return Buffer.concat([words(3, m.receiverIndex), m.nonce, m.sealedCookie]);
}

/** Returns the bytes of a transport message. */
export function encodeTransport(m: Omit<TransportMessage, 'kind'>): Uint8Array {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64LE(m.counter);
  return Buffer.concat([words(4, m.receiverIndex), counter, m.sealed]);
}

/** Length of an initiation in bytes. */
export const INITIATION_BYTES = 148;

/** Length of a response in bytes. */
export const RESPONSE_BYTES = 92;

/** Length of a cookie reply in bytes. */
export const COOKIE_BYTES = 64;
const TRANSPORT_LEAST = 32;
const NO_MACS = new Uint8Array(32);

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    bytes.writeUInt32LE(value, i * 4);
  });
  return bytes;
}
