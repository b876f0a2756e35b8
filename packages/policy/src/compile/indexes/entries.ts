import { contentId, type ProbeItem } from '@sallyport/contract/channel';
import { type Family, formatPrefix, type IpPrefix, type IpRange } from '@sallyport/ip';
import { prefixRange } from '../../addresses.ts';
import { carriedPart } from '../../carried.ts';
import { canonicalPorts } from '../../ports.ts';
import type { PortRange, WorldAddress, WorldResource } from '../../types.ts';
import { computed } from './maps.ts';
import { probeOf } from './probe.ts';

/** One parsed address of a resource. */
export class Entry {
  /** The resource with the gateways that carry this address. */
  readonly resource: WorldResource;
  readonly range: IpPrefix;
  readonly ports: readonly PortRange[];
  /** Equal for equal resource, gateways and ports. Policies treat such addresses alike. */
  readonly signature: string;
  readonly probe: ProbeItem | null;
  /** The address that it was made of. */
  readonly address: WorldAddress;
  #classId: string | null = null;

  constructor(resource: WorldResource, address: WorldAddress, parts: Parts) {
    const carriers = address.gateways?.join(' ');
    this.resource =
      carriers === undefined ? resource : computed(parts, carriers, () => carriedPart(resource, [address]));
    this.address = address;
    this.range = prefixRange(address.prefix);
    this.probe = address.name === undefined ? probeOf(resource, address, this.range) : null;
    this.ports = canonicalPorts(address.ports);
    const { id } = resource;
    this.signature = `${carriers === undefined ? id : `${id} at ${carriers}`} ${this.ports.map((p) => `${p.protocol}${p.from}-${p.to}`).join(',')}`;
  }

  /** The id of the class that is named after this prefix. */
  get classId(): string {
    const kind = this.resource.type === 'INTERNET' ? 'internet' : 'class';
    return (this.#classId ??= contentId(kind, formatPrefix(this.range)));
  }
}

/** Parses the addresses of a resource. */
export function entriesOf(resource: WorldResource): Entry[] {
  const parts: Parts = new Map();
  return resource.addresses.map((address) => new Entry(resource, address, parts));
}

/** The resource by the gateways that carry an address. */
type Parts = Map<string, WorldResource>;

/** Compares entries for sorting. A wider prefix comes before the prefixes inside it. */
export function compareEntries(a: Entry, b: Entry): number {
  return (
    a.range.family - b.range.family ||
    (a.range.first < b.range.first ? -1 : a.range.first > b.range.first ? 1 : a.range.length - b.range.length)
  );
}

/** Finds the entries that overlap a range. Two prefixes nest or are disjoint, so each has a chain of parents. */
export class EntryIndex {
  readonly #families: ReadonlyMap<Family, readonly Node[]>;

  constructor(entries: Iterable<Entry>) {
    const sorted = [...entries].sort(compareEntries);
    this.#families = new Map(([4, 6] as const).map((f) => [f, nest(sorted.filter((e) => e.range.family === f))]));
  }

  /** Returns all entries that overlap a range. */
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

/** Returns the index of the first node that starts at or after an address. */
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
