import type { StateItem } from '@sallyport/contract/channel';

/** Converts items to the form that one protocol knows. */
export type ItemsFor = (items: readonly StateItem[]) => StateItem[];

/**
 * Returns a function that removes the names, and the fields that agents of this protocol would refuse. The hash of the
 * items stays the same.
 */
export function itemsFor(protocol: number): ItemsFor {
  return protocol >= 3 ? asTheyAre : forTwo;
}

const asTheyAre: ItemsFor = (items) => [...items];
const forTwo: ItemsFor = (items) => items.filter(({ kind }) => kind !== 'name').map(beforeThree);

function beforeThree(item: StateItem): StateItem {
  switch (item.kind) {
    case 'profile':
      return { ...item, cells: item.cells.map(({ after: _, onward: __, ...cell }) => cell) };
    case 'resource': {
      const { ping: _, ...resource } = item;
      return resource;
    }
    case 'route': {
      const { target: _, ...route } = item;
      return route;
    }
    case 'gateway':
    case 'client':
    case 'device':
    case 'site':
    case 'class':
    case 'bundle':
    case 'probe':
    case 'beacon':
    case 'peer':
    case 'relay-point':
    case 'relay':
    case 'egress':
    case 'name':
      return item;
  }
}
