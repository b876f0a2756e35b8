import { mostNameAddresses, type NameItem } from '@sallyport/contract/channel';
import { formatAddress, isWildcard } from '@sallyport/ip';
import type { Entry } from '../indexes/entries.ts';
import { computed } from '../indexes/maps.ts';
import { probePort } from '../indexes/probe.ts';
import { isNamed, type ResourceIndex } from '../indexes/resource-index.ts';

/** Returns the names that a gateway carries, which it answers and translates. */
export function gatewayNames(gateway: string, resources: ResourceIndex): NameItem[] {
  const items = namesOf(resources.carried(gateway).filter(isNamed), ({ resource, address }) =>
    // Nothing resolves a wildcard, and its names come and go with those who ask.
    address.wildcard !== undefined || isWildcard(address.name ?? '')
      ? null
      : { id: resource.id, probe: address.id, port: probePort(address.ports) },
  );
  return items.map((item) => ({ ...item, addresses: item.addresses.toSorted() }));
}

type Use = NameItem['resources'][number];

/** Returns the names of entries. `useOf`: how the gateway uses a name for the resource of an entry. */
export function namesOf(entries: Iterable<Entry>, useOf: (entry: Entry) => Use | null): NameItem[] {
  const names = new Map<string, { addresses: Set<string>; uses: Map<string, Use> }>();
  for (const entry of entries) {
    const { name } = entry.address;
    if (name === undefined) continue;
    const found = computed(names, name, () => ({ addresses: new Set(), uses: new Map() }));
    found.addresses.add(formatAddress({ family: entry.range.family, value: entry.range.first }));
    const use = useOf(entry);
    if (use !== null) found.uses.set(`${use.probe} ${use.id}`, use);
  }
  return [...names].map(([id, { addresses, uses }]) => ({
    kind: 'name',
    key: `name/${id}`,
    id,
    addresses: [...addresses].slice(0, mostNameAddresses),
    resources: [...uses].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, use]) => use),
  }));
}
