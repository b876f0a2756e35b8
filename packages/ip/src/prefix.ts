import { addressBits, type Family, formatAddress, type IpAddress, parseAddress, unmapAddress } from './address.ts';
import type { IpRange } from './range.ts';

/** A network: the range of all addresses that share their first `length` bits. */
export interface IpPrefix extends IpRange {
  readonly length: number;
}

/** An address of an interface with the length of its network (`10.1.2.3/8`): host bits are kept. */
export interface InterfaceAddress extends IpAddress {
  readonly length: number;
}

/**
 * Parses `address` or `address/length`; a bare address is a network of one. Host bits may be set and are cleared, as
 * `ip route` does. Returns null when malformed.
 */
export function parsePrefix(text: string): IpPrefix | null {
  const given = parseInterfaceAddress(text);
  return given === null ? null : prefixOf(given);
}

/** Parses `address` or `address/length` and keeps host bits. Returns null when malformed. */
export function parseInterfaceAddress(text: string): InterfaceAddress | null {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  const width = addressBits(address.family);
  const length = slash < 0 ? width : parseLength(text, slash + 1);
  return length < 0 || length > width ? null : { family: address.family, value: address.value, length };
}

/** Returns the network that an interface address lies in. */
export function prefixOf({ family, value, length }: InterfaceAddress): IpPrefix {
  const host = hostMask(family, length);
  const last = value | host;
  return { family, first: last ^ host, last, length };
}

/** Returns the canonical text of a network, always with its length: `10.0.0.0/8`, `192.0.2.1/32`. */
export function formatPrefix({ family, first, length }: IpPrefix): string {
  return `${formatAddress({ family, value: first })}/${length}`;
}

/** Returns the canonical text of an interface address: `10.1.2.3/8`. */
export function formatInterfaceAddress(address: InterfaceAddress): string {
  return `${formatAddress(address)}/${address.length}`;
}

/**
 * Returns the canonical text of an address or network, without the length of a single address (`10.1.2.3`,
 * `10.0.0.0/8`, `fd00::/48`). Returns null when malformed.
 */
export function canonicalPrefix(text: string): string | null {
  const prefix = parsePrefix(text);
  if (prefix === null) return null;
  const whole = prefix.length === addressBits(prefix.family);
  return whole ? formatAddress({ family: prefix.family, value: prefix.first }) : formatPrefix(prefix);
}

/**
 * Returns the IPv4 network that a network of IPv4-mapped addresses (within `::ffff:0:0/96`) stands for, and any other
 * network as it is. It goes with `unmapAddress`: what is compared is unmapped on both sides.
 */
export function unmapPrefix(prefix: IpPrefix): IpPrefix {
  if (prefix.family === 4 || prefix.length < 96) return prefix;
  const { family, value } = unmapAddress({ family: 6, value: prefix.first });
  return family === 4 ? prefixOf({ family, value, length: prefix.length - 96 }) : prefix;
}

/** Host bits set, network bits clear. */
function hostMask(family: Family, length: number): bigint {
  return hostMasks[addressBits(family) - length] as bigint;
}

/** By the number of host bits. */
const hostMasks: readonly bigint[] = Array.from({ length: 129 }, (_, bits) => (1n << BigInt(bits)) - 1n);

/** A decimal length without leading zeros that ends the text; -1 when malformed. */
function parseLength(text: string, at: number): number {
  const digits = text.length - at;
  if (digits < 1 || digits > 3 || (digits > 1 && text[at] === '0')) return -1;
  let length = 0;
  for (let i = at; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}
