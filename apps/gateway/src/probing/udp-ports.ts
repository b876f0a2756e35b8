import type { StateItem } from '@sallyport/contract/channel';
import { type IpRange, parseAddress, parseRange } from '@sallyport/ip';

/** Returns a UDP port that some device may send to at an address; null without one. */
export type UdpPortOf = (address: string) => number | null;

/**
 * Derives UDP ports from the grants of the state, because its probes name TCP ports and ICMP only. Grants for another
 * gateway do not count.
 */
export function udpPortsOf(items: Iterable<StateItem>): UdpPortOf {
  const ports = new Map<string, number>();
  const bundles = new Map<string, Set<string>>();
  const ranges = new Map<string, readonly string[]>();
  for (const item of items) {
    if (item.kind === 'class') ranges.set(item.id, item.ranges);
    if (item.kind === 'bundle') {
      const udp = item.grants.filter(({ protocol }) => protocol === 'udp').map(({ from }) => Math.max(1, from));
      if (udp.length > 0) ports.set(item.id, Math.min(...udp));
    }
    if (item.kind !== 'profile') continue;
    for (const { class: id, bundle, onward } of item.cells) {
      if (onward === true) continue;
      const known = bundles.get(id) ?? new Set();
      bundles.set(id, known.add(bundle));
    }
  }
  const classes = [...bundles].flatMap(([id, ofClass]) => {
    const granted = [...ofClass].flatMap((bundle) => ports.get(bundle) ?? []);
    return granted.length === 0 ? [] : (ranges.get(id) ?? []).flatMap((range) => entryOf(range, Math.min(...granted)));
  });
  return portFinder(classes);
}

interface Entry {
  readonly range: IpRange;
  readonly port: number;
}

function entryOf(text: string, port: number): Entry[] {
  const range = parseRange(text);
  return range === null ? [] : [{ range, port }];
}

/** Ranges of classes do not overlap. */
function portFinder(entries: readonly Entry[]): UdpPortOf {
  const sorted = {
    4: entries.filter(({ range }) => range.family === 4).sort(byStart),
    6: entries.filter(({ range }) => range.family === 6).sort(byStart),
  };
  return (text) => {
    const address = parseAddress(text);
    if (address === null) return null;
    const all = sorted[address.family];
    let [low, high] = [0, all.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((all[middle]?.range.first ?? 0n) <= address.value) low = middle + 1;
      else high = middle;
    }
    const entry = all[low - 1];
    return entry !== undefined && address.value <= entry.range.last ? entry.port : null;
  };
}

function byStart(a: Entry, b: Entry): number {
  return a.range.first < b.range.first ? -1 : a.range.first > b.range.first ? 1 : 0;
}
