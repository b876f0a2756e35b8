import type { StateItem } from '@sallyport/contract/channel';

export type ItemsFor = (items: readonly StateItem[]) => StateItem[];

/** Returns a function that leaves out of items what an agent of this protocol would refuse. Their hash stays the same. */
export function itemsFor(protocol: number): ItemsFor {
  return protocol >= 3 ? (items) => [...items] : (items) => items.map(beforeThree);
}

function beforeThree(item: StateItem): StateItem {
  if (item.kind === 'profile') return { ...item, cells: item.cells.map(({ after: _, onward: __, ...cell }) => cell) };
  if (item.kind === 'resource') {
    const { ping: _, ...resource } = item;
    return resource;
  }
  if (item.kind !== 'route') return item;
  const { target: _, ...route } = item;
  return route;
}
