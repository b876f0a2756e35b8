import { formatAddress, parsePrefix, prefixRange } from '../ip.ts';

type Family = 4 | 6;

/**
 * A set of prefixes that answers how they nest with others. A query costs the same for ten prefixes and for 100,000.
 */
export class PrefixSet {
  readonly #known = new Set<string>();
  readonly #lengths: Record<Family, number[]>;
  readonly #starts: Record<Family, { readonly first: bigint; readonly text: string }[]> = { 4: [], 6: [] };

  /** Prefixes in canonical spelling. */
  constructor(prefixes: Iterable<string>) {
    const lengths = { 4: new Set<number>(), 6: new Set<number>() };
    for (const text of prefixes) {
      const { family, value, length } = parsePrefix(text);
      this.#known.add(text);
      lengths[family].add(length);
      this.#starts[family].push({ first: value, text });
    }
    const descending = (numbers: Set<number>): number[] => [...numbers].sort((a, b) => b - a);
    this.#lengths = { 4: descending(lengths[4]), 6: descending(lengths[6]) };
    for (const starts of Object.values(this.#starts))
      starts.sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  }

  has(text: string): boolean {
    return this.#known.has(text);
  }

  /** Returns whether the set holds any prefix of the family. */
  hasFamily(family: Family): boolean {
    return this.#starts[family].length > 0;
  }

  /** Returns the longest prefix that contains or equals the given one. */
  around(text: string): string | undefined {
    const prefix = parsePrefix(text);
    for (const length of this.#lengths[prefix.family]) {
      if (length > prefix.length) continue;
      const { family, first } = prefixRange({ ...prefix, length });
      const candidate = `${formatAddress({ family, value: first })}/${length}`;
      if (this.#known.has(candidate)) return candidate;
    }
    return undefined;
  }

  /** Returns a prefix that lies within the given one and is longer. */
  within(text: string): string | undefined {
    const prefix = parsePrefix(text);
    const { first, last } = prefixRange(prefix);
    const starts = this.#starts[prefix.family];
    for (let at = lowerBound(starts, first); at < starts.length; at++) {
      const candidate = starts[at];
      if (candidate === undefined || candidate.first > last) return undefined;
      // Prefixes with the same first address may equal the given prefix, or may be wider.
      if (parsePrefix(candidate.text).length > prefix.length) return candidate.text;
    }
    return undefined;
  }
}

function lowerBound(starts: readonly { readonly first: bigint }[], wanted: bigint): number {
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle]?.first ?? 0n) < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
