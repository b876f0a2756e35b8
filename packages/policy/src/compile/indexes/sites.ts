import { contentId } from '@sallyport/contract/channel';
import {
  compareNumbers,
  type IpPrefix,
  type IpRange,
  mergeAdjacent,
  rangesOverlap,
  rangeToPrefixes,
  withoutRanges,
} from '@sallyport/ip';
import { sourceRange } from '../../addresses.ts';
import type { WorldPolicy } from '../../types.ts';
import { computed } from './maps.ts';

/** Source addresses to which the same site-to-site policies apply. Sites never overlap. */
export interface Site {
  readonly id: string;
  readonly prefixes: readonly string[];
  /** Sorted ids. */
  readonly policies: readonly string[];
}

/** The sites of a tenant by id. */
export class SiteIndex {
  #sites: ReadonlyMap<string, Site> = new Map();

  /** Returns a site, or undefined when it does not exist. */
  get(id: string): Site | undefined {
    return this.#sites.get(id);
  }

  /** Returns the ids of all sites. */
  ids(): Iterable<string> {
    return this.#sites.keys();
  }

  /**
   * Computes the sites of some policies again. Returns the ids of all sites, former ones included, and those whose
   * prefixes changed.
   */
  recompute(
    policies: Iterable<WorldPolicy>,
    reserved: readonly IpRange[],
  ): { members: Set<string>; changed: Set<string> } {
    const before = this.#sites;
    this.#sites = sitesOf(policies, reserved);
    const members = new Set([...before.keys(), ...this.#sites.keys()]);
    const text = (site: Site | undefined) => site?.prefixes.join();
    return {
      members,
      changed: new Set([...members].filter((id) => text(before.get(id)) !== text(this.#sites.get(id)))),
    };
  }
}

/** Returns the sites of some policies by id. Reserved addresses belong to no site. */
function sitesOf(policies: Iterable<WorldPolicy>, reserved: readonly IpRange[]): Map<string, Site> {
  const byPrefix = new Map<string, { range: IpPrefix; policies: Set<string> }>();
  for (const { id, gateways, sourceIps } of policies)
    for (const range of gateways.length === 0 ? [] : sourceIps.map(sourceRange)) {
      const key = `${range.family} ${range.first} ${range.length}`;
      computed(byPrefix, key, () => ({ range, policies: new Set<string>() })).policies.add(id);
    }
  const sorted = [...byPrefix.values()].sort((a, b) => widerFirst(a.range, b.range));
  const groups = new Map<string, { first: string; ranges: IpRange[]; policies: string[] }>();
  const open: typeof sorted = [];
  for (const [i, node] of sorted.entries()) {
    const { range } = node;
    while (open.length > 0 && !rangesOverlap((open.at(-1) as typeof node).range, range)) open.pop();
    for (const policy of open.at(-1)?.policies ?? []) node.policies.add(policy);
    open.push(node);
    const ranges = withoutRanges(range, [...reserved, ...insideOf(sorted, i)]);
    if (ranges.length === 0) continue;
    const covering = [...node.policies].sort();
    const first = `${range.family} ${range.first} ${range.length}`;
    computed(groups, covering.join(' '), () => ({ first, ranges: [], policies: covering })).ranges.push(...ranges);
  }
  return new Map(groups.values().map(({ first, ranges, policies }) => siteOf(first, ranges, policies)));
}

/** Returns the prefixes that follow a prefix in order and lie inside it. */
function insideOf(sorted: readonly { readonly range: IpPrefix }[], index: number): IpRange[] {
  const inside: IpRange[] = [];
  const { range } = sorted[index] as { range: IpPrefix };
  for (let i = index + 1; i < sorted.length; i++) {
    const other = (sorted[i] as { range: IpPrefix }).range;
    if (!rangesOverlap(range, other)) break;
    inside.push(other);
  }
  return inside;
}

function siteOf(first: string, ranges: readonly IpRange[], policies: readonly string[]): [string, Site] {
  const id = contentId('site', first);
  return [id, { id, prefixes: mergeAdjacent(ranges).flatMap(rangeToPrefixes), policies }];
}

function widerFirst(a: IpPrefix, b: IpPrefix): number {
  return a.family - b.family || compareNumbers(a.first, b.first) || a.length - b.length;
}
