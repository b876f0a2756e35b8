import type { NameItem } from '@sallyport/contract/channel';
import { namesOf } from '../gateway/names.ts';
import type { ResourceIndex } from '../indexes/resource-index.ts';
import type { Routing } from '../routing/routing.ts';

/**
 * Returns the names that a device reaches. A name has addresses in each network; those come first whose gateway comes
 * first in the first policy's resource.
 */
export function deviceNames(carried: Routing['carried'], resources: ResourceIndex): NameItem[] {
  const found = carried.flatMap(({ range, candidate: { gateway, resource, rank } }) => {
    const place = resources.get(resource.id)?.gateways.indexOf(gateway) ?? 0;
    return resources.named(range).map((entry) => ({ entry, rank, place }));
  });
  const inOrder = found.sort((a, b) => a.rank - b.rank || a.place - b.place);
  return namesOf(
    inOrder.map(({ entry }) => entry),
    () => null,
  );
}
