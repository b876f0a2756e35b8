import type { Elements } from './elements.ts';
import type { Sequence } from './registers.ts';
import { classText } from './registers.ts';

const END = 0x10000;

interface Segment {
  readonly portClass: number;
  /** Bundle number → policy, for every bundle that admits the whole segment. */
  readonly members: Map<number, string>;
}

/** Receives each (bundle, port class) pair that starts or stops being admitted. */
export interface PortMembers {
  join(bundle: number, portClass: number, policy: string): void;
  leave(bundle: number, portClass: number): void;
}

/**
 * The ports of one protocol, split at every edge of every grant into disjoint segments. A segment that some bundle
 * admits is one element of the port map, with its own port class. The work is proportional to the segments that a
 * grant covers. An edge that no grant needs is merged, so the split stays as small as the bundles allow.
 */
export class PortSpace {
  readonly #map: Elements;
  readonly #numbers: Sequence;
  readonly #members: PortMembers;
  /** Sorted starts of the segments; the first is always 0. */
  readonly #starts: number[] = [0];
  readonly #segments = new Map<number, Segment>();
  readonly #edgeUses = new Map<number, number>();
  readonly #idleEdges = new Set<number>();

  constructor(map: Elements, numbers: Sequence, members: PortMembers) {
    this.#map = map;
    this.#numbers = numbers;
    this.#members = members;
    this.#segments.set(0, this.#newSegment());
  }

  /** Admits the ports `from` to `to`, inclusive, in a bundle. Grants of one bundle must not overlap. */
  add(bundle: number, from: number, to: number, policy: string): void {
    this.#useEdge(from);
    this.#useEdge(to + 1);
    for (const start of this.#startsWithin(from, to)) this.#join(start, bundle, policy);
  }

  /** Reverses an earlier `add`. Edges stay until `settle`, so that adding the same grant again changes nothing. */
  remove(bundle: number, from: number, to: number): void {
    for (const start of this.#startsWithin(from, to)) this.#leave(start, bundle);
    this.#freeEdge(from);
    this.#freeEdge(to + 1);
  }

  /** Merges segments at edges that lost their last grant in this change and gained none. */
  settle(): void {
    for (const edge of this.#idleEdges) {
      if (this.#edgeUses.get(edge) !== 0) continue;
      this.#edgeUses.delete(edge);
      this.#merge(edge);
    }
    this.#idleEdges.clear();
  }

  /** Returns the bundles that admit a segment of the port map, by the map's key. */
  membersOf(key: string): readonly number[] {
    const segment = this.#segments.get(Number(key.split('-')[0]));
    return segment ? [...segment.members.keys()] : [];
  }

  #newSegment(): Segment {
    return { portClass: this.#numbers.take(), members: new Map() };
  }

  #useEdge(edge: number): void {
    if (edge === 0 || edge === END) return;
    const uses = this.#edgeUses.get(edge);
    this.#edgeUses.set(edge, (uses ?? 0) + 1);
    if (uses === undefined) this.#split(edge);
  }

  #freeEdge(edge: number): void {
    if (edge === 0 || edge === END) return;
    const uses = (this.#edgeUses.get(edge) ?? 0) - 1;
    this.#edgeUses.set(edge, uses);
    if (uses === 0) this.#idleEdges.add(edge);
  }

  #split(edge: number): void {
    const index = this.#indexOf(edge);
    const left = this.#starts[index] as number;
    const { members } = this.#segment(left);
    this.#hide(left);
    this.#starts.splice(index + 1, 0, edge);
    this.#segments.set(edge, this.#newSegment());
    this.#show(left);
    for (const [bundle, policy] of members) this.#join(edge, bundle, policy);
  }

  /** Merges two segments. No grant starts or ends at the edge, so both sides have the same members. */
  #merge(edge: number): void {
    const index = this.#indexOf(edge);
    const left = this.#starts[index - 1] as number;
    for (const bundle of [...this.#segment(edge).members.keys()]) this.#leave(edge, bundle);
    this.#hide(left);
    this.#starts.splice(index, 1);
    this.#segments.delete(edge);
    this.#show(left);
  }

  #join(start: number, bundle: number, policy: string): void {
    const segment = this.#segment(start);
    segment.members.set(bundle, policy);
    if (segment.members.size === 1) this.#show(start);
    this.#members.join(bundle, segment.portClass, policy);
  }

  #leave(start: number, bundle: number): void {
    const segment = this.#segment(start);
    if (!segment.members.has(bundle)) return;
    if (segment.members.size === 1) this.#hide(start);
    segment.members.delete(bundle);
    this.#members.leave(bundle, segment.portClass);
  }

  #show(start: number): void {
    const segment = this.#segment(start);
    if (segment.members.size > 0) this.#map.add(this.#key(start), classText(segment.portClass));
  }

  #hide(start: number): void {
    if (this.#segment(start).members.size > 0) this.#map.delete(this.#key(start));
  }

  #key(start: number): string {
    const end = (this.#starts[this.#indexOf(start) + 1] ?? END) - 1;
    return `${start}-${end}`;
  }

  #segment(start: number): Segment {
    return this.#segments.get(start) as Segment;
  }

  #startsWithin(from: number, to: number): number[] {
    const result: number[] = [];
    for (let index = this.#indexOf(from); (this.#starts[index] ?? END) <= to; index++) {
      result.push(this.#starts[index] as number);
    }
    return result;
  }

  /** Returns the index of the segment that holds the port. */
  #indexOf(port: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] as number) <= port) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
