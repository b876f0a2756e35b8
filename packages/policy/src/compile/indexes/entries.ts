import { contentId, type ProbeItem } from '@sallyport/contract/channel';
import { type Family, formatPrefix, type IpPrefix, type IpRange } from '@sallyport/ip';
import { prefixRange } from '../../addresses.ts';
import { canonicalPorts } from '../../ports.ts';
import type { PortRange, WorldAddress, WorldResource } from '../../types.ts';
import { probeOf } from './probe.ts';

/** One address of a resource, parsed. */
export class Entry {
  readonly resource: WorldResource;
  readonly range: IpPrefix;
  readonly ports: readonly PortRange[];
  /** Equal for equal resource and ports: policies cannot tell such addresses apart. */
  readonly signature: string;
  readonly probe: ProbeItem | null;
  #classId: string | null = null;

  constructor(resource: WorldResource, address: WorldAddress) {
    this.resource = resource;
    this.range = prefixRange(address.prefix);
    this.probe = probeOf(resource, address, this.range);
    this.ports = canonicalPorts(address.ports);
    this.signature = `${resource.id} ${this.ports.map((p) => `${p.protocol}${p.from}-${p.to}`).join(',')}`;
  }

  /** Id of the class that is named after this prefix. */
  get classId(): string {
    const kind = this.resource.type === 'INTERNET' ? 'internet' : 'class';
    return (this.#classId ??= contentId(kind, formatPrefix(this.range)));
  }
}

export function entriesOf(resource: WorldResource): Entry[] {
  return resource.addresses.map((address) => new Entry(resource, address));
}

/** Wider prefixes come before those inside of them. */
export function compareEntries(a: Entry, b: Entry): number {
  return (
    a.range.family - b.range.family ||
    (a.range.first < b.range.first ? -1 : a.range.first > b.range.first ? 1 : a.range.length - b.range.length)
  );
}

/** Finds the entries that overlap a range. Prefixes either nest or are apart, so ancestors are a chain of parents. */
export class EntryIndex {
  readonly #families: ReadonlyMap<Family, readonly Node[]>;

  constructor(entries: Iterable<Entry>) {
    const sorted = [...entries].sort(compareEntries);
    this.#families = new Map(([4, 6] as const).map((f) => [f, nest(sorted.filter((e) => e.range.family === f))]));
  }

  overlapping(range: IpRange): Entry[] {
    const nodes = this.#families.get(range.family) ?? [];
    const start = lowerBound(nodes, range.first);
    const found: Entry[] = [];
    for (let at: Node | null = nodes[start - 1] ?? null; at !== null; at = at.parent)
      if (at.entry.range.last >= range.first) found.push(at.entry);
    for (let i = start; i < nodes.length; i++) {
      const { entry } = nodes[i] as Node;
      if (entry.range.first > range.last) break;
      found.push(entry);
    }
    return found;
  }
}

interface Node {
  readonly entry: Entry;
  readonly parent: Node | null;
}

function nest(sorted: readonly Entry[]): Node[] {
  let open: Node | null = null;
  return sorted.map((entry) => {
    while (open !== null && open.entry.range.last < entry.range.first) open = open.parent;
    open = { entry, parent: open };
    return open;
  });
}

/** Index of the first node that starts at or after an address. */
function lowerBound(nodes: readonly Node[], first: bigint): number {
  let low = 0;
  let high = nodes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((nodes[middle] as Node).entry.range.first < first) low = middle + 1;
    else high = middle;
  }
  return low;
}
