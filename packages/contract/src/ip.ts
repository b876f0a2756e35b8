/**
 * IP addresses and prefixes as text and as numbers. One canonical text per address (RFC 5952 for IPv6), so that
 * equal addresses are equal strings in hashes, sets and nftables.
 */

export type Family = 4 | 6;

/** An inclusive range of addresses of one family. Numbers are unsigned: 32 or 128 bits. */
export interface IpRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

const bits = (family: Family): number => (family === 4 ? 32 : 128);

/** Number of an IPv4 or IPv6 address, or null when the text is not exactly one address (no zone, no leading zeros). */
export function parseAddress(text: string): { family: Family; value: bigint } | null {
  if (text.includes(':')) {
    const value = parseV6(text);
    return value === null ? null : { family: 6, value };
  }
  const value = parseV4(text);
  return value === null ? null : { family: 4, value };
}

/** Canonical text of an address (RFC 5952). */
export function formatAddress(family: Family, value: bigint): string {
  return family === 4 ? formatV4(value) : formatV6(value);
}

/**
 * Range of `address` or `address/length`; null when malformed. Host bits may be set: they are ignored, as
 * `ip route` and administrators do it.
 */
export function parsePrefix(text: string): (IpRange & { length: number }) | null {
  const [host = '', lengthText, ...rest] = text.split('/');
  const address = parseAddress(host);
  if (address === null || rest.length > 0) return null;
  const width = bits(address.family);
  if (lengthText !== undefined && !/^(0|[1-9][0-9]{0,2})$/.test(lengthText)) return null;
  const length = lengthText === undefined ? width : Number(lengthText);
  if (length > width) return null;
  const size = 1n << BigInt(width - length);
  const first = (address.value / size) * size;
  return { family: address.family, first, last: first + size - 1n, length };
}

/** Canonical text of an address or prefix (`10.1.2.3`, `10.0.0.0/8`, `fd00::/48`), or null when malformed. */
export function canonicalPrefix(text: string): string | null {
  const prefix = parsePrefix(text);
  if (prefix === null) return null;
  const address = formatAddress(prefix.family, prefix.first);
  return prefix.length === bits(prefix.family) ? address : `${address}/${prefix.length}`;
}

/** Inclusive range as `first-last`, the form that gateways receive. */
export function formatRange(range: IpRange): string {
  return `${formatAddress(range.family, range.first)}-${formatAddress(range.family, range.last)}`;
}

/** Range of `first-last` text; null when malformed, of two families, or upside down. */
export function parseRange(text: string): IpRange | null {
  const [a = '', b = '', ...rest] = text.split('-');
  const first = parseAddress(a);
  const last = parseAddress(b);
  if (first === null || last === null || rest.length > 0) return null;
  if (first.family !== last.family || first.value > last.value) return null;
  return { family: first.family, first: first.value, last: last.value };
}

/** The fewest prefixes that cover exactly a range, in ascending order. */
export function rangeToPrefixes(range: IpRange): string[] {
  const width = bits(range.family);
  const prefixes: string[] = [];
  let at = range.first;
  while (at <= range.last) {
    let host = 0;
    while (
      host < width &&
      (at & ((1n << BigInt(host + 1)) - 1n)) === 0n &&
      at + (1n << BigInt(host + 1)) - 1n <= range.last
    )
      host++;
    prefixes.push(`${formatAddress(range.family, at)}/${width - host}`);
    at += 1n << BigInt(host);
  }
  return prefixes;
}

export function rangesOverlap(a: IpRange, b: IpRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

export function rangeContains(range: IpRange, family: Family, value: bigint): boolean {
  return range.family === family && range.first <= value && value <= range.last;
}

function parseV4(text: string): bigint | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let value = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return null;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function formatV4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
}

function parseV6(text: string): bigint | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

/** Groups of one side of `::`; an embedded IPv4 address may end the text (RFC 4291, 2.2). */
function parseGroups(text: string, mayEndInV4: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (mayEndInV4 && index === parts.length - 1 && part.includes('.')) {
      const v4 = parseV4(part);
      if (v4 === null) return null;
      groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

function formatV6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn));
  const run = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (run.length < 2) return hex.join(':');
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
