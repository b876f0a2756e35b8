import { HostNetError } from './errors.ts';

export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** Reads one IPv4 or IPv6 address (RFC 4291 section 2.2, no zone). Throws `invalid-state`. */
export function parseAddress(text: string): Address {
  const value = text.includes(':') ? parseV6(text) : parseV4(text);
  if (value === null) throw invalid('address', text);
  return { family: text.includes(':') ? 6 : 4, value };
}

/** Canonical text of an address; IPv6 as in RFC 5952. */
export function formatAddress(address: Address): string {
  return address.family === 4 ? formatV4(address.value) : formatV6(address.value);
}

/** Reads `first-last`, both inclusive and of one family. Throws `invalid-state`. */
export function parseRange(text: string): AddressRange {
  const dash = text.indexOf('-');
  if (dash < 0) throw invalid('address range', text);
  const first = parseAddress(text.slice(0, dash));
  const last = parseAddress(text.slice(dash + 1));
  if (first.family !== last.family || first.value > last.value) throw invalid('address range', text);
  return { family: first.family, first: first.value, last: last.value };
}

export function formatRange(range: AddressRange): string {
  const { family } = range;
  return `${formatAddress({ family, value: range.first })}-${formatAddress({ family, value: range.last })}`;
}

/** Reads `address/length` and keeps the host bits. Throws `invalid-state`. */
/** What is left of a range without some others. */
export function withoutRanges(range: AddressRange, holes: readonly AddressRange[]): AddressRange[] {
  const { family, last } = range;
  const parts: AddressRange[] = [];
  let at = range.first;
  const inside = holes.filter((hole) => hole.family === family && hole.last >= at && hole.first <= last);
  for (const hole of inside.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))) {
    if (hole.first > at) parts.push({ family, first: at, last: hole.first - 1n });
    if (hole.last >= at) at = hole.last + 1n;
  }
  if (at <= last) parts.push({ family, first: at, last });
  return parts;
}

export function parsePrefix(text: string): Address & { readonly length: number } {
  const slash = text.indexOf('/');
  if (slash < 0 || !/^\d{1,3}$/.test(text.slice(slash + 1))) throw invalid('prefix', text);
  const address = parseAddress(text.slice(0, slash));
  const length = Number(text.slice(slash + 1));
  if (length > bits(address.family)) throw invalid('prefix', text);
  return { ...address, length };
}

/** Canonical text of a network: host bits cleared. */
export function formatNetwork(prefix: Address & { readonly length: number }): string {
  const { first } = prefixRange(prefix);
  return `${formatAddress({ family: prefix.family, value: first })}/${prefix.length}`;
}

export function prefixRange(prefix: Address & { readonly length: number }): AddressRange {
  const hostBits = BigInt(bits(prefix.family) - prefix.length);
  const first = (prefix.value >> hostBits) << hostBits;
  return { family: prefix.family, first, last: first + (1n << hostBits) - 1n };
}

function bits(family: Family): number {
  return family === 4 ? 32 : 128;
}

function parseV4(text: string): bigint | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return null;
  let value = 0n;
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return null;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseV6(text: string): bigint | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = groups(halves[0] ?? '', halves.length === 1);
  const tail = groups(halves[1] ?? '', true);
  if (!head || !tail) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const all = [...head, ...new Array<bigint>(halves.length === 2 ? missing : 0).fill(0n), ...tail];
  return all.reduce((value, group) => (value << 16n) | group, 0n);
}

/** Sixteen-bit groups of one side of `::`; the last may be dotted IPv4. */
function groups(text: string, dottedEnd: boolean): bigint[] | null {
  if (text === '') return [];
  const result: bigint[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const v4 = dottedEnd && index === parts.length - 1 && part.includes('.') ? parseV4(part) : null;
    if (v4 !== null) result.push(v4 >> 16n, v4 & 0xffffn);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) result.push(BigInt(`0x${part}`));
    else return null;
  }
  return result;
}

function formatV4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 0xffn)).join('.');
}

function formatV6(value: bigint): string {
  const parts = Array.from({ length: 8 }, (_, index) => (value >> BigInt(112 - 16 * index)) & 0xffffn);
  const { start, length } = longestZeroRun(parts);
  const hex = parts.map((part) => part.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeroRun(parts: readonly bigint[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let run = 0;
  for (const [index, part] of parts.entries()) {
    run = part === 0n ? run + 1 : 0;
    if (run > best.length) best = { start: index - run + 1, length: run };
  }
  return best;
}

function invalid(what: string, text: string): HostNetError {
  return new HostNetError('invalid-state', `not a valid ${what}: ${JSON.stringify(text.slice(0, 100))}`);
}
