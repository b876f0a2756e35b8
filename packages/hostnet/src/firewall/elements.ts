import { HostNetError } from '../errors.ts';
import { type Generation, generated, type MapName } from './ruleset.ts';

/** Content of one element of a map or set: its value (null in a set) and the time at which the kernel drops it. */
export interface Element {
  readonly value: string | null;
  /** Epoch milliseconds; null means that the element stays. */
  readonly expiresAt: number | null;
}

/** One element before and after a change; null means that the element is absent. */
export interface ElementChange {
  readonly key: string;
  readonly before: Element | null;
  readonly after: Element | null;
}

/** The wanted elements of one map, with a record of the changes since the last `takeChanges`. */
export class Elements {
  readonly name: MapName | 'counters';
  /** Name in the kernel. */
  readonly kernelName: string;
  /** Whether the map has kernel timeouts. */
  readonly timed: boolean;
  readonly #current = new Map<string, Element>();
  readonly #before = new Map<string, Element | null>();

  constructor(name: MapName | 'counters', timed: boolean, generation: Generation) {
    this.name = name;
    this.kernelName = generated(name, generation);
    this.timed = timed;
  }

  get current(): ReadonlyMap<string, Element> {
    return this.#current;
  }

  /**
   * Inserts an element. Throws `invalid-state` when the key is taken, because two items then claim one address or
   * range.
   */
  add(key: string, value: string | null, expiresAt: number | null = null): void {
    if (this.#current.has(key)) throw new HostNetError('invalid-state', `${this.name}: ${key} is claimed twice`);
    this.#remember(key);
    this.#current.set(key, { value, expiresAt });
  }

  delete(key: string): void {
    if (!this.#current.has(key)) return;
    this.#remember(key);
    this.#current.delete(key);
  }

  /** Returns the differences since the last call. It leaves out elements that changed and changed back. */
  takeChanges(): ElementChange[] {
    const changes: ElementChange[] = [];
    for (const [key, before] of this.#before) {
      const after = this.#current.get(key) ?? null;
      if (!sameElement(before, after)) changes.push({ key, before, after });
    }
    this.#before.clear();
    return changes;
  }

  #remember(key: string): void {
    if (!this.#before.has(key)) this.#before.set(key, this.#current.get(key) ?? null);
  }
}

/** Returns two lists of changes in a row as one. It leaves out elements that changed and changed back. */
export function combineChanges(first: readonly ElementChange[], second: readonly ElementChange[]): ElementChange[] {
  if (first.length === 0) return [...second];
  const combined = new Map(first.map((change) => [change.key, change]));
  for (const { key, before, after } of second) {
    combined.set(key, { key, before: combined.has(key) ? (combined.get(key)?.before ?? null) : before, after });
  }
  return [...combined.values()].filter(({ before, after }) => !sameElement(before, after));
}

function sameElement(a: Element | null, b: Element | null): boolean {
  if (a === null || b === null) return a === b;
  return a.value === b.value && a.expiresAt === b.expiresAt;
}
