import { type StateDelta, StateHash, type StateItem } from '@sallyport/contract/channel';
import { same } from './items.ts';

/** Items that several states have in common; never changed, only replaced. */
export class Layer {
  static readonly empty = new Layer([]);
  readonly #items: ReadonlyMap<string, StateItem>;
  readonly #deltas = new WeakMap<Layer, StateDelta>();
  #hash: bigint | null = null;

  constructor(items: Iterable<StateItem>) {
    this.#items = new Map([...items].map((item) => [item.key, item]));
  }

  /** This one, if it has the same items, so that whoever has it sees that nothing changed. */
  replacedBy(items: Iterable<StateItem>): Layer {
    const next = new Layer(items);
    const { upserts, removes } = this.to(next);
    return upserts.length + removes.length === 0 ? this : next;
  }

  get(key: string): StateItem | undefined {
    return this.#items.get(key);
  }

  all(): Iterable<StateItem> {
    return this.#items.values();
  }

  get hash(): bigint {
    return (this.#hash ??= BigInt(`0x${StateHash.of(this.#items.values()).toString()}`));
  }

  /** What makes this layer into another one. */
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

/** Hash of a state that is made of layers: hashes of items add up (see `StateHash`). */
export function hashOf(layers: readonly Layer[]): string {
  const sum = layers.reduce((total, { hash }) => total + hash, 0n);
  return (sum & ((1n << 256n) - 1n)).toString(16).padStart(64, '0');
}

/** What changes between two states with the same number of layers, or null. Keys must not move between layers. */
export function deltaOf(before: readonly Layer[], after: readonly Layer[]): StateDelta | null {
  const deltas = after.map((layer, i) => (before[i] ?? Layer.empty).to(layer));
  const upserts = deltas.flatMap((delta) => delta.upserts);
  const removes = deltas.flatMap((delta) => delta.removes);
  return upserts.length + removes.length === 0 ? null : { upserts, removes };
}
