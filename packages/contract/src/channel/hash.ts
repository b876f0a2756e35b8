import { hash } from 'node:crypto';
import { itemText } from './hash-fields.ts';
import type { StateItem } from './state.ts';

/**
 * Hash of a state: the sum modulo 2^256 of the SHA-256 hashes of its items. The cost of an update depends only on the changed
 * items, and the order of items does not matter. `hash-fields.ts` lists the fields that count, and why others do not.
 */
export class StateHash {
  #sum = 0n;

  static of(items: Iterable<StateItem>): StateHash {
    const sum = new StateHash();
    for (const item of items) sum.add(item);
    return sum;
  }

  /** `hash`: that of the item, for callers who know it. */
  add(item: StateItem, hash = itemHash(item)): void {
    this.#sum = (this.#sum + hash) & mask;
  }

  /** `hash`: that of the item, for callers who know it. */
  remove(item: StateItem, hash = itemHash(item)): void {
    this.#sum = (this.#sum - hash) & mask;
  }

  /** Hash as 64 hexadecimal digits. */
  toString(): string {
    return this.#sum.toString(16).padStart(64, '0');
  }
}

/** Hash of the empty state. */
export const emptyStateHash = '0'.repeat(64);

/** Returns a short content hash for ids in compiled state: 128 bits, base64url. */
export function contentId(...parts: readonly string[]): string {
  const text = parts.map((part) => `${part.length}:${part}`).join('');
  return hash('sha256', text, 'buffer').subarray(0, 16).toString('base64url');
}

/** Id of the class of all public addresses that no resource names. */
export const publicClass = contentId('internet', '0.0.0.0/0');

const mask = (1n << 256n) - 1n;

/** Returns the SHA-256 hash of one item, as a number. 0 for names, which agents of protocol 3 are not sent. */
export function itemHash(item: StateItem): bigint {
  if (item.kind === 'name') return 0n;
  return BigInt(`0x${hash('sha256', itemText(item))}`);
}
