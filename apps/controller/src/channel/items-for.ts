import type { StateItem } from '@sallyport/contract/channel';

/** Converts items to the form that one protocol knows. */
export type ItemsFor = (items: readonly StateItem[]) => StateItem[];

/** Returns a function that removes items and fields that agents of this protocol would refuse. The hash stays the same. */
export function itemsFor(protocol: number): ItemsFor {
  return protocol >= 4 ? asTheyAre : withoutNames;
}

const asTheyAre: ItemsFor = (items) => [...items];
const withoutNames: ItemsFor = (items) => items.filter(({ kind }) => kind !== 'name').map(beforeNames);

function beforeNames(item: StateItem): StateItem {
  if (item.kind !== 'gateway' && item.kind !== 'client') return item;
  const { forwarding: _, ...older } = item;
  if (older.kind !== 'gateway') return older;
  const { deniedRanges: __, dnsServers: ___, overlay, ...gateway } = older;
  return { ...gateway, overlay: { v4: overlay.v4, v6: overlay.v6 } };
}
