import type { Family } from '@sallyport/ip';
import { formatRange, parsePrefix, prefixRange } from '../ip.ts';
import type { Egress } from '../types.ts';
import type { FirewallOptions } from './ruleset.ts';

/** The addresses that lie in the prefixes of exactly these items. */
export interface EgressRange {
  readonly family: Family;
  /** A range `first-last`, used as a key of an interval map. */
  readonly key: string;
  readonly group: string;
}

/** A group of sources and a group of destinations that share an item, and the time until which they share it. */
export interface EgressPair {
  readonly sources: string;
  readonly destinations: string;
  readonly expiresAt: number | null;
}

/**
 * The result of planning all items: disjoint ranges on both sides, each in one group, and the allowed pairs of groups.
 */
export interface EgressPlan {
  readonly sources: readonly EgressRange[];
  readonly destinations: readonly EgressRange[];
  readonly pairs: readonly EgressPair[];
}

/**
 * Cuts the prefixes of all items at each other's edges. It removes the overlay, because overlay addresses belong only
 * to devices and gateways.
 */
export function planEgress(items: Iterable<Egress>, overlay: FirewallOptions['overlay']): EgressPlan {
  const all = [...items];
  const sources = cut(all, overlay, (item) => item.sources);
  const destinations = cut(all, overlay, (item) => item.destinations);
  const expiry = new Map(all.map(({ id, expiresAt }) => [id, expiresAt]));
  const pairs: EgressPair[] = [];
  for (const from of groups(sources)) {
    const members = new Set(egressIds(from));
    for (const to of groups(destinations)) {
      const shared = egressIds(to).filter((id) => members.has(id));
      if (shared.length === 0) continue;
      const ends = shared.map((id) => expiry.get(id) ?? Number.POSITIVE_INFINITY);
      const end = Math.max(...ends);
      pairs.push({ sources: from, destinations: to, expiresAt: Number.isFinite(end) ? end : null });
    }
  }
  return { sources, destinations, pairs };
}

/** Returns the items that a group stands for. */
export function egressIds(group: string): string[] {
  return JSON.parse(group) as string[];
}

function groups(ranges: readonly EgressRange[]): ReadonlySet<string> {
  return new Set(ranges.map(({ group }) => group));
}

interface Edge {
  readonly at: bigint;
  readonly id: string;
  readonly step: 1 | -1;
}

function cut(
  items: readonly Egress[],
  overlay: FirewallOptions['overlay'],
  side: (item: Egress) => readonly string[],
): EgressRange[] {
  const edges: Record<Family, Edge[]> = { 4: [], 6: [] };
  for (const item of items) {
    for (const text of side(item)) {
      const { family, first, last } = prefixRange(parsePrefix(text));
      edges[family].push({ at: first, id: item.id, step: 1 }, { at: last + 1n, id: item.id, step: -1 });
    }
  }
  return ([4, 6] as const).flatMap((family) => sweep(family, edges[family], overlay));
}

/** Treats the overlay as a hole: its edges have an id that no item has. */
function sweep(family: Family, edges: readonly Edge[], overlay: FirewallOptions['overlay']): EgressRange[] {
  const hole = prefixRange(parsePrefix(overlay[`v${family}`]));
  const all = [...edges, { at: hole.first, id: null, step: 1 }, { at: hole.last + 1n, id: null, step: -1 }];
  all.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  const depth = new Map<string | null, number>();
  const ranges: { first: bigint; last: bigint; group: string }[] = [];
  for (const [index, { at, id, step }] of all.entries()) {
    depth.set(id, (depth.get(id) ?? 0) + step);
    const next = all[index + 1]?.at;
    if (next === undefined || next === at || (depth.get(null) ?? 0) > 0) continue;
    const ids = [...depth].flatMap(([key, count]) => (key !== null && count > 0 ? [key] : []));
    if (ids.length === 0) continue;
    const group = JSON.stringify(ids.sort());
    const before = ranges.at(-1);
    if (before?.group === group && before.last + 1n === at) before.last = next - 1n;
    else ranges.push({ first: at, last: next - 1n, group });
  }
  return ranges.map(({ first, last, group }) => ({ family, key: formatRange({ family, first, last }), group }));
}
