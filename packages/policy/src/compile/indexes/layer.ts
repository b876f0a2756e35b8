import { type StateDelta, StateHash, type StateItem } from '@sallyport/contract/channel';
import { same } from './items.ts';

/** Items that several states share. A layer never changes; it is replaced. */
export class Layer {
  static readonly empty = new Layer([]);
  readonly #items: ReadonlyMap<string, StateItem>;
  readonly #deltas = new WeakMap<Layer, StateDelta>();
  #hash: bigint | null = null;

  constructor(items: Iterable<StateItem>) {
    this.#items = new Map([...items].map((item) => [item.key, item]));
  }

  /** Returns this layer if it has the same items, so that holders see that nothing changed; else a new layer. */
  replacedBy(items: Iterable<StateItem>): Layer {
    const next = new Layer(items);
    const { upserts, removes } = this.to(next);
    return upserts.length + removes.length === 0 ? this : next;
  }

  /** Returns the item with a key, or undefined. */
  get(key: string): StateItem | undefined {
    return this.#items.get(key);
  }

  /** Returns all items. */
  all(): Iterable<StateItem> {
    return this.#items.values();
  }

  /** The hash of the items, as a number. */
  get hash(): bigint {
    return (this.#hash ??= BigInt(`0x${StateHash.of(this.#items.values()).toString()}`));
  }

  /** Returns the difference from this layer to another one. */
  to(next: Layer): StateDelta {
    const known = this.#deltas.get(next);
    if (known !== undefined) return known;
    const upserts = [...next.#items.values()].filter((item) => {
      const old = this.#items.get(item.key);
      return old === undefined || !same(old, item);
    });
    const delta = { upserts, removes: [...this.#items.keys()].filter((key) => !next.#items.has(key)) };
    this.#deltas.set(next, delta);
    return delta;
  }
}

/** Returns the hash of a state that consists of layers. The hashes of items add up (see `StateHash`). */
export function hashOf(layers: readonly Layer[]): string {
  const sum = layers.reduce((total, { hash }) => total + hash, 0n);
  return (sum & ((1n << 256n) - 1n)).toString(16).padStart(64, '0');
}

/** Returns the difference between two states with equally many layers, or null. Keys must not move between layers. */
export function deltaOf(before: readonly Layer[], after: readonly Layer[]): StateDelta | null {
  const deltas = after.map((layer, i) => (before[i] ?? Layer.empty).to(layer));
  const upserts = deltas.flatMap((delta) => delta.upserts);
  const removes = deltas.flatMap((delta) => delta.removes);
  return upserts.length + removes.length === 0 ? null : { upserts, removes };
}
