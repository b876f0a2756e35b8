/** Version of the Internet Protocol. */
export type Family = 4 | 6;

/** One IP address as an unsigned number: 32 bits for IPv4, 128 for IPv6. */
export interface IpAddress {
  readonly family: Family;
  readonly value: bigint;
}

/** Returns the width of an address in bits: 32 or 128. */
export function addressBits(family: Family): number {
  return family === 4 ? 32 : 128;
}

/**
 * Parses exactly one address: dotted IPv4, or IPv6 as in RFC 4291 section 2.2. Returns null for anything else: a zone
 * (`%eth0`), a port, blanks, or a leading zero in IPv4, which some programs read as octal.
 */
export function parseAddress(text: string): IpAddress | null {
  if (text.includes(':')) {
    const value = parseV6(text);
    return value === null ? null : { family: 6, value };
  }
  const value = parseV4(text, 0);
  return value < 0 ? null : { family: 4, value: BigInt(value) };
}

/**
 * Returns the canonical text of an address, so that equal addresses are equal strings. IPv6 is written as in RFC 5952;
 * an IPv4-mapped address is written `::ffff:192.0.2.1` (section 5), as Linux, nftables and `wg` write it.
 */
export function formatAddress({ family, value }: IpAddress): string {
  return family === 4 ? formatV4(Number(value)) : formatV6(value);
}

/**
 * Returns the IPv4 address that an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) stands for, and any other address
 * as it is. A dual-stack socket reports IPv4 peers in the mapped form, so every rule about peers compares this.
 */
export function unmapAddress(address: IpAddress): IpAddress {
  if (address.family === 4 || address.value >> 32n !== mappedBits) return address;
  return { family: 4, value: address.value & 0xffff_ffffn };
}

/** Parses an address and unmaps it. Returns null when the text is not exactly one address. */
export function parseUnmapped(text: string): IpAddress | null {
  const address = parseAddress(text);
  return address === null ? null : unmapAddress(address);
}

/**
 * Returns the canonical text of an address after unmapping it: the one text that stands for a peer in limits, logs and
 * comparisons, however a socket or a proxy spells it. Returns null when the text is not exactly one address.
 */
export function canonicalUnmapped(text: string): string | null {
  const address = parseUnmapped(text);
  return address === null ? null : formatAddress(address);
}

/** The upper 96 bits of `::ffff:0:0/96`. */
const mappedBits = 0xffffn;

const dot = 46;
const zero = 48;
const colon = 58;

/** Number of the dotted address that starts at `at` and ends the text; -1 when malformed. */
function parseV4(text: string, at: number): number {
  let value = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let i = at; i < text.length; i++) {
    const digit = text.charCodeAt(i) - zero;
    if (digit >= 0 && digit <= 9) {
      octet = octet * 10 + digit;
      if (octet > 255 || (digits > 0 && octet === digit)) return -1;
      digits++;
    } else {
      if (digit + zero !== dot || digits === 0 || ++dots > 3) return -1;
      value = value * 256 + octet;
      octet = 0;
      digits = 0;
    }
  }
  return dots === 3 && digits > 0 ? value * 256 + octet : -1;
}

function formatV4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

function parseV6(text: string): bigint | null {
  const groups: number[] = [];
  let at = text.startsWith('::') ? 2 : 0;
  /** How many groups stand before `::`; -1 while there is none. */
  let gap = at === 2 ? 0 : -1;
  while (at < text.length) {
    if (groups.length === 8) return null;
    const end = groupEnd(text, at);
    if (text.charCodeAt(end) === dot) {
      const v4 = parseV4(text, at);
      if (v4 < 0) return null;
      groups.push(v4 >>> 16, v4 & 0xffff);
      break;
    }
    const group = parseGroup(text, at, end);
    if (group < 0) return null;
    groups.push(group);
    if (end === text.length) break;
    at = end + 1;
    if (text.charCodeAt(at) === colon) {
      if (gap >= 0) return null;
      gap = groups.length;
      at++;
    } else if (at === text.length) return null;
  }
  return joinGroups(groups, gap);
}

/** Offset of the first character from `at` on that is no hexadecimal digit; at most five characters on. */
function groupEnd(text: string, at: number): number {
  const most = Math.min(text.length, at + 5);
  let end = at;
  while (end < most && hexDigit(text.charCodeAt(end)) >= 0) end++;
  return end;
}

/** Number of one to four hexadecimal digits that a colon or the end of the text follows; -1 when malformed. */
function parseGroup(text: string, at: number, end: number): number {
  if (end === at || end > at + 4) return -1;
  if (end < text.length && text.charCodeAt(end) !== colon) return -1;
  let value = 0;
  for (let i = at; i < end; i++) value = value * 16 + hexDigit(text.charCodeAt(i));
  return value;
}

function hexDigit(code: number): number {
  if (code >= zero && code < colon) return code - zero;
  const letter = code | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

/** The address of some groups, with zeros where `::` stood; null when there are too many or too few. */
function joinGroups(groups: number[], gap: number): bigint | null {
  const missing = 8 - groups.length;
  if (gap < 0 ? missing !== 0 : missing < 1) return null;
  if (gap >= 0) groups.splice(gap, 0, ...zeros.slice(0, missing));
  const [a, b, c, d, e, f, g, h] = groups as [number, number, number, number, number, number, number, number];
  // A double holds three groups exactly; few large numbers are faster than eight.
  const high = (a * 65536 + b) * 65536 + c;
  const middle = (d * 65536 + e) * 65536 + f;
  return (BigInt(high) << 80n) | (BigInt(middle) << 32n) | BigInt(g * 65536 + h);
}

const zeros = [0, 0, 0, 0, 0, 0, 0, 0];

/** Where an IPv6 address is taken apart: shifting a large number eight times takes three times as long. */
const octets = new DataView(new ArrayBuffer(16));

function formatV6(value: bigint): string {
  octets.setBigUint64(0, value >> 64n);
  octets.setBigUint64(8, value);
  if (value >> 32n === mappedBits) return `::ffff:${formatV4(octets.getUint32(12))}`;
  const { start, end } = longestZeroRun();
  return end === 0 ? groupsText(0, 8) : `${groupsText(0, start)}::${groupsText(end, 8)}`;
}

function groupsText(start: number, end: number): string {
  let text = '';
  for (let group = start; group < end; group++)
    text += (group === start ? '' : ':') + octets.getUint16(2 * group).toString(16);
  return text;
}

/** The first of the longest runs of at least two groups of zeros (RFC 5952 section 4.2); `end` is 0 without one. */
function longestZeroRun(): { start: number; end: number } {
  let best = { start: 0, end: 0 };
  let start = 0;
  for (let group = 0; group < 8; group++) {
    if (octets.getUint16(2 * group) !== 0) start = group + 1;
    else if (group - start >= Math.max(1, best.end - best.start)) best = { start, end: group + 1 };
  }
  return best;
}
