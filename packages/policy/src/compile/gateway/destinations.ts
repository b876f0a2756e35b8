import type { AccessType } from '@sallyport/contract';
import { type IpRange, withoutRanges } from '@sallyport/ip';
import type { AddressSpace } from '../../addresses.ts';
import { isWholeInternet, speaksOf } from '../../matching.ts';
import { everyPort } from '../../ports.ts';
import type { PortRange, WorldGateway, WorldPolicy, WorldResource } from '../../types.ts';
import { type AddressClass, addressClasses, type Carriage } from '../indexes/classes.ts';
import { type Entry, entriesOf } from '../indexes/entries.ts';
import { computed } from '../indexes/maps.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';
import { isCarried, isNamed, type ResourceIndex } from '../indexes/resource-index.ts';

/** The destinations of one gateway: its classes, and which of their ports belong to which resource. */
export interface Destinations {
  /** Classes by id, in address order. */
  readonly classes: ReadonlyMap<string, AddressClass>;
  readonly byResource: ReadonlyMap<string, ResourceReach>;
}

/** Where one resource can be reached at a gateway. */
export interface ResourceReach {
  readonly type: AccessType;
  /** All ports, by class id. */
  readonly ports: ReadonlyMap<string, readonly PortRange[]>;
  /** The ports at addresses that the gateway carries itself, by class id. */
  readonly own: ReadonlyMap<string, readonly PortRange[]>;
  /** The ports at which packets are passed on to other gateways, by class id. */
  readonly passed: ReadonlyMap<string, readonly PortRange[]>;
}

/** Ports of one policy by class id. */
export type PolicyPorts = ReadonlyMap<string, readonly PortRange[]>;

/** Returns whether a gateway can pass packets on to another gateway that carries a resource. */
export type Passing = (resource: WorldResource) => boolean;

/** Returns the destinations of a gateway; none when it is absent or OFFLINE. `passing` is for an entry gateway. */
export function destinationsOf(
  gateway: WorldGateway | null,
  resources: ResourceIndex,
  policies: PolicyIndex,
  addressSpace: AddressSpace,
  passing: Passing | null = null,
): Destinations {
  if (gateway === null || gateway.intent === 'OFFLINE') return { classes: new Map(), byResource: new Map() };
  const carriage = (entry: Entry): Carriage => {
    if (isCarried(entry, gateway.id)) return 'own';
    return passing?.(entry.resource) === true ? 'passing' : null;
  };
  const carried = passing === null ? resources.carried(gateway.id) : resources.all();
  const kept = (passing === null ? carried : carried.filter((entry) => carriage(entry) !== null)).toArray();
  const denied = deniedEntries(kept, (entry) => carriage(entry) !== null, resources, policies);
  const classes = [
    ...addressClasses(
      [...kept, ...denied].filter((entry) => !isNamed(entry)),
      carriage,
      () => addressSpace.reserved,
    ),
    ...addressClasses([...kept, ...denied].filter(isNamed), carriage, () => []),
    ...(policies.accessPoints(gateway.id).size > 0 ? internetClasses(resources, addressSpace) : []),
  ];
  return { classes: new Map(classes.map((c) => [c.id, c])), byResource: reachOf(classes, carriage) };
}

/**
 * Returns where and on which ports a policy decides at a gateway. An allow opens only what is attached to the gateway.
 * For devices that come in through an entry gateway it also opens what the gateway passes on.
 */
export function policyPorts(policy: WorldPolicy, { byResource }: Destinations, comesIn = false): PolicyPorts {
  const ports = new Map<string, readonly PortRange[]>();
  for (const id of resourcesOf(policy, byResource)) {
    const reach = byResource.get(id);
    if (reach === undefined || !speaksOf(policy.type, reach.type)) continue;
    const opened = comesIn ? [reach.own, reach.passed] : [reach.own];
    for (const [classId, ranges] of (policy.allow ? opened : [reach.ports]).flatMap((part) => [...part]))
      ports.set(classId, [...(ports.get(classId) ?? []), ...ranges]);
  }
  return ports;
}

/** Ports that an allow opens by passing packets on, to who comes in through the gateway. */
export function onwardPorts(policy: WorldPolicy, { byResource }: Destinations): PolicyPorts {
  const ports = new Map<string, readonly PortRange[]>();
  for (const id of policy.allow ? resourcesOf(policy, byResource) : []) {
    const reach = byResource.get(id);
    if (reach === undefined || !speaksOf(policy.type, reach.type)) continue;
    for (const [classId, ranges] of reach.passed) ports.set(classId, [...(ports.get(classId) ?? []), ...ranges]);
  }
  return ports;
}

/** Returns the policies that name any of the destinations. */
export function policiesAbout(
  { byResource }: Destinations,
  resources: ResourceIndex,
  policies: PolicyIndex,
): ReadonlySet<string> {
  const ids = new Set<string>(byResource.has(publicInternet.id) ? policies.internet : []);
  for (const id of byResource.keys()) {
    const resource = resources.get(id);
    if (resource !== undefined) for (const policy of policies.of(resource)) ids.add(policy);
  }
  return ids;
}

function resourcesOf(policy: WorldPolicy, byResource: Destinations['byResource']): Iterable<string> {
  if (policy.type === 'INTERNET' && isWholeInternet(policy)) return [publicInternet.id];
  return policy.allResources ? byResource.keys() : new Set(policy.resources);
}

/** Returns the classes of the public addresses that no attachable resource of any gateway covers, on any port. */
function internetClasses(resources: ResourceIndex, { public: open }: AddressSpace): AddressClass[] {
  const holes = (range: IpRange) => [
    ...withoutRanges(range, open),
    ...resources.overlapping(range).map((entry) => entry.range),
  ];
  return addressClasses([...entriesOf(publicInternet), ...resources.internet()], () => 'own', holes);
}

/** Stands for every public address. Its id is not the id of a resource. */
export const publicInternet: WorldResource = {
  id: 'internet',
  name: 'internet',
  type: 'INTERNET',
  addresses: ['0.0.0.0/0', '::/0'].map((prefix) => ({ id: prefix, prefix, ports: everyPort })),
  gateways: [],
  mode: 'MANUAL',
};

/** Returns entries of other resources that cut into this gateway's own, because a policy denies them. */
function deniedEntries(
  own: readonly Entry[],
  isOwn: (entry: Entry) => boolean,
  resources: ResourceIndex,
  policies: PolicyIndex,
): Set<Entry> {
  const denied = new Map<string, boolean>();
  const found = new Set<Entry>();
  for (const entry of own.flatMap(({ range }) => resources.overlapping(range))) {
    const { id } = entry.resource;
    if (isOwn(entry)) continue;
    if (!denied.has(id)) denied.set(id, policies.denies(entry.resource));
    if (denied.get(id)) found.add(entry);
  }
  return found;
}

function reachOf(classes: readonly AddressClass[], carriage: (entry: Entry) => Carriage): Map<string, ResourceReach> {
  type Ports = Map<string, readonly PortRange[]>;
  const byResource = new Map<string, ResourceReach & { ports: Ports; own: Ports; passed: Ports }>();
  for (const { id, entries, passing } of classes)
    for (const entry of entries) {
      const { resource, ports } = entry;
      const { type } = resource;
      const reach = computed(byResource, resource.id, () => ({
        ...{ type, ports: new Map(), own: new Map(), passed: new Map() },
      }));
      const add = (part: Ports) => part.set(id, [...(part.get(id) ?? []), ...ports]);
      add(reach.ports);
      if (type === 'INTERNET' || carriage(entry) === 'own') add(reach.own);
      if (passing.has(entry.signature)) add(reach.passed);
    }
  return byResource;
}
