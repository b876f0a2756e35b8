import type { StateItem } from '@sallyport/contract/channel';

export type ItemsFor = (items: readonly StateItem[]) => StateItem[];

/** Returns a function that leaves out of items what an agent of this protocol would refuse. Their hash stays the same. */
export function itemsFor(protocol: number): ItemsFor {
  return protocol >= 3 ? (items) => [...items] : (items) => items.map(withoutSuccessors);
}

function withoutSuccessors(item: StateItem): StateItem {
  if (item.kind !== 'profile') return item;
  return { ...item, cells: item.cells.map(({ after: _, ...cell }) => cell) };
}
