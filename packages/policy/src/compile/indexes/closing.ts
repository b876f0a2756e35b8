import type { StateItem } from '@sallyport/contract/channel';

/** Kinds of items that admit nothing, so that losing one closes nothing. */
const harmless: ReadonlySet<StateItem['kind']> = new Set(['probe', 'beacon', 'relay-point', 'name']);

/**
 * Returns whether a gateway may have to close something when an item changes. An answer that is too careful costs order
 * only: gateways that must close something are told first. `now`: undefined when the item is removed.
 */
export function mayClose(before: StateItem, now: StateItem | undefined): boolean {
  if (harmless.has(before.kind)) return false;
  if (before.kind !== 'profile' || now?.kind !== 'profile') return true;
  const kept = new Set(now.cells.map((cell) => JSON.stringify(cell)));
  return !before.cells.every((cell) => kept.has(JSON.stringify(cell)));
}
