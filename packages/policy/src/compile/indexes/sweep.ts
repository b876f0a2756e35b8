import { compareNumbers, type Family, type IpRange, rangesOverlap } from '@sallyport/ip';

/** A range with everything that covers it. */
export interface Part<T> {
  readonly range: IpRange;
  readonly covering: readonly T[];
}

/** Cuts overlapping ranges into parts, in address order. Within a part, the same ranges cover each address. */
export function* sweep<T extends { readonly range: IpRange }>(all: readonly T[]): Generator<Part<T>> {
  for (const family of [4, 6] as const) yield* sweepFamily(all, family);
}

function* sweepFamily<T extends { readonly range: IpRange }>(all: readonly T[], family: Family): Generator<Part<T>> {
  const sorted = all
    .filter(({ range }) => range.family === family)
    .sort((a, b) => compareNumbers(a.range.first, b.range.first));
  const cuts = [...new Set(sorted.flatMap(({ range }) => [range.first, range.last + 1n]))].sort(compareNumbers);
  let covering: T[] = [];
  let next = 0;
  for (const [i, first] of cuts.slice(0, -1).entries()) {
    const range = { family, first, last: (cuts[i + 1] as bigint) - 1n };
    covering = covering.filter((one) => rangesOverlap(one.range, range));
    for (let one = sorted[next]; one?.range.first === first; one = sorted[++next]) covering.push(one);
    if (covering.length > 0) yield { range, covering };
  }
}

/** Returns the addresses that two overlapping ranges of one family share. */
export function intersection(a: IpRange, b: IpRange): IpRange {
  return {
    family: a.family,
    first: a.first > b.first ? a.first : b.first,
    last: a.last < b.last ? a.last : b.last,
  };
}
