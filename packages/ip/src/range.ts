import { addressBits, type Family, formatAddress, parseAddress } from './address.ts';

/** All addresses of one family from `first` to `last`, both included. */
export interface IpRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** Parses `first-last`. Returns null when malformed, of two families, or upside down. */
export function parseRange(text: string): IpRange | null {
  const dash = text.indexOf('-');
  if (dash < 0) return null;
  const first = parseAddress(text.slice(0, dash));
  const last = parseAddress(text.slice(dash + 1));
  if (first === null || last === null) return null;
  if (first.family !== last.family || first.value > last.value) return null;
  return { family: first.family, first: first.value, last: last.value };
}

/** Returns the canonical text of a range, `first-last`, the form that gateways and nftables take. */
export function formatRange({ family, first, last }: IpRange): string {
  return `${formatAddress({ family, value: first })}-${formatAddress({ family, value: last })}`;
}

/** Returns whether two ranges have an address in common. */
export function rangesOverlap(a: IpRange, b: IpRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** Returns whether an address lies in a range. */
export function rangeContains(range: IpRange, family: Family, value: bigint): boolean {
  return range.family === family && range.first <= value && value <= range.last;
}

/** Compares two ranges for a sort: by family, first address, last address. */
export function compareRanges(a: IpRange, b: IpRange): number {
  return a.family - b.family || compareNumbers(a.first, b.first) || compareNumbers(a.last, b.last);
}

/** Returns the fewest prefixes that cover exactly a range, ascending, each with its length. */
export function rangeToPrefixes(range: IpRange): string[] {
  const { family } = range;
  const width = addressBits(family);
  const prefixes: string[] = [];
  let at = range.first;
  while (at <= range.last) {
    let host = 0;
    while (host < width && blockFits(at, host + 1, range.last)) host++;
    prefixes.push(`${formatAddress({ family, value: at })}/${width - host}`);
    at += 1n << BigInt(host);
  }
  return prefixes;
}

/** Returns what is left of a range without some holes, ascending. Holes may overlap, and be of either family. */
export function withoutRanges(range: IpRange, holes: readonly IpRange[]): IpRange[] {
  const { family } = range;
  const left: IpRange[] = [];
  let at = range.first;
  for (const hole of holes.filter((h) => rangesOverlap(h, range)).sort(compareRanges)) {
    if (hole.first > at) left.push({ family, first: at, last: hole.first - 1n });
    if (hole.last >= at) at = hole.last + 1n;
  }
  if (at <= range.last) left.push({ family, first: at, last: range.last });
  return left;
}

/** Returns the same addresses as few ranges, ascending. The given ranges must not overlap. */
export function mergeAdjacent(ranges: readonly IpRange[]): IpRange[] {
  const merged: IpRange[] = [];
  for (const range of [...ranges].sort(compareRanges)) {
    const last = merged.at(-1);
    if (last !== undefined && last.family === range.family && last.last + 1n === range.first)
      merged[merged.length - 1] = { family: range.family, first: last.first, last: range.last };
    else merged.push(range);
  }
  return merged;
}

/** Compares two numbers for a sort. */
export function compareNumbers(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether the block with that many host bits starts at an address and ends within `last`. */
function blockFits(at: bigint, hostBits: number, last: bigint): boolean {
  const host = (1n << BigInt(hostBits)) - 1n;
  return (at & host) === 0n && at + host <= last;
}
