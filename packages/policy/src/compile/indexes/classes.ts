import { type IpRange, mergeAdjacent, withoutRanges } from '@sallyport/ip';
import { compareEntries, type Entry } from './entries.ts';

/** Addresses that all policies treat alike on a gateway, because the same addresses of resources cover them. */
export interface AddressClass {
  /** Made from the first prefix of the class, so that it stays the same when resources around it change. */
  readonly id: string;
  /** Ascending, not adjacent. */
  readonly ranges: readonly IpRange[];
  /** One entry for each distinct resource and port set that covers the class. */
  readonly entries: readonly Entry[];
  /**
   * Signatures of the entries by which the gateway passes packets on. They are narrower than what it carries itself.
   */
  readonly passing: ReadonlySet<string>;
}

/**
 * Who carries an entry: the gateway itself, or others to which it passes packets on. Null: it only cuts other entries.
 */
export type Carriage = 'own' | 'passing' | null;

/**
 * Returns disjoint classes of the addresses that carried entries cover, in address order. The other entries only cut:
 * they belong to resources that some policy denies. Two prefixes nest or are disjoint. So each distinct prefix, without
 * the prefixes inside it and without holes, has one set of covering entries.
 */
export function addressClasses(
  entries: Iterable<Entry>,
  carriage: (entry: Entry) => Carriage,
  holes: (range: IpRange) => readonly IpRange[],
): AddressClass[] {
  const groups = new Map<string, { nodes: Node[]; ranges: IpRange[] }>();
  for (const node of prefixTree(entries, carriage)) {
    if (!node.carried) continue;
    const ranges = withoutRanges(node.range, [...node.children, ...holes(node.range)]);
    if (ranges.length === 0) continue;
    const passes = ({ signature }: Entry) => (node.passing.has(signature) ? '+' : '') + signature;
    const signature = node.covering.map(passes).join('\n');
    const group = groups.get(signature);
    if (group === undefined) groups.set(signature, { nodes: [node], ranges });
    else {
      group.nodes.push(node);
      group.ranges.push(...ranges);
    }
  }
  return [...groups.values()].map(({ nodes: [first], ranges }) => {
    const { id, covering, passing } = first as Node;
    return { id, ranges: mergeAdjacent(ranges), entries: covering, passing };
  });
}

interface Node {
  readonly id: string;
  readonly range: Entry['range'];
  readonly parent: Node | null;
  /** Prefixes directly inside this one. */
  readonly children: IpRange[];
  /** Entries of this prefix and of the prefixes around it, one for each signature, sorted by signature. */
  covering: readonly Entry[];
  /** Whether any of them is carried, by this gateway or by others. */
  carried: boolean;
  passing: ReadonlySet<string>;
  /** Whether the gateway itself carries an entry of exactly this prefix. */
  own: boolean;
}

function prefixTree(entries: Iterable<Entry>, carriage: (entry: Entry) => Carriage): Node[] {
  const nodes: Node[] = [];
  let open: Node | null = null;
  for (const entry of [...entries].sort(compareEntries)) {
    while (open !== null && !encloses(open.range, entry.range)) open = open.parent;
    if (open === null || open.range.length !== entry.range.length) {
      const node: Node = {
        id: entry.classId,
        range: entry.range,
        parent: open,
        children: [],
        covering: open?.covering ?? [],
        carried: open?.carried ?? false,
        passing: open?.passing ?? new Set(),
        own: false,
      };
      open?.children.push(entry.range);
      nodes.push(node);
      open = node;
    }
    open.covering = withEntry(open.covering, entry);
    const by = carriage(entry);
    open.carried ||= by !== null;
    open.own ||= by === 'own';
    if (by === 'own') open.passing = new Set();
    else if (by === 'passing' && !open.own) open.passing = new Set([...open.passing, entry.signature]);
  }
  return nodes;
}

function encloses(outer: IpRange, inner: IpRange): boolean {
  return outer.family === inner.family && outer.first <= inner.first && inner.last <= outer.last;
}

function withEntry(covering: readonly Entry[], entry: Entry): readonly Entry[] {
  if (covering.some((e) => e.signature === entry.signature)) return covering;
  return [...covering, entry].sort((a, b) => (a.signature < b.signature ? -1 : 1));
}
