import { type IpRange, parseAddress, rangeContains } from '@sallyport/ip';
import { type AddressSpace, addressSpaceOf, prefixRange, sourceRange } from './addresses.ts';
import { carriedPart } from './carried.ts';
import { deviceTypes, isAlive, isAttachable, matchesDevice } from './matching.ts';
import { inputsOf, type RuleInputs, siteInputs } from './rules/index.ts';
import type { AccessQuery, WorldAddress, WorldDevice, WorldGateway, WorldPolicy, WorldResource } from './types.ts';
import type { World } from './world.ts';

/** A parsed IP address. */
export type Address = NonNullable<ReturnType<typeof parseAddress>>;

/** A query, resolved in a world. */
export interface Question extends Source, Destination {
  readonly world: World;
  readonly query: AccessQuery;
  /** Whether the destination is a public address that no private or SaaS resource covers. */
  readonly internet: boolean;
  /** Reason for the denial when no policy decides. */
  readonly nothing: string;
}

/** The source of a query: a device or a site. */
export interface Source {
  readonly inputs: RuleInputs;
  /** Policies to evaluate, in order: at least those that could decide. */
  readonly policies: readonly WorldPolicy[];
  readonly fromSource: (policy: WorldPolicy) => boolean;
}

/** The destination of a query. */
export interface Destination {
  /** Whether a private or SaaS resource covers the address, on any port. */
  readonly configured: boolean;
  /** Resources that cover address, protocol and port, sorted by id. */
  readonly targets: readonly WorldResource[];
}

/** Finds what a question needs: in the world itself, or in indexes of it. */
export interface Lookup {
  readonly addressSpace: AddressSpace;
  readonly destination: (address: Address, query: AccessQuery) => Destination;
  /** Returns whether an address is the virtual address of a name. */
  readonly isNamed: (address: Address) => boolean;
  readonly device: (device: WorldDevice, destination: Destination, internet: boolean) => Source;
}

/** Returns the question of a query, or why it is denied regardless of policies. */
export function questionOf(world: World, query: AccessQuery, lookup: Lookup = plainLookup(world)): Question | string {
  const source = query.device === undefined ? siteOf(world, query.source, lookup) : deviceOf(world, query.device);
  if (typeof source === 'string') return source;
  const address = parseAddress(query.destination);
  if (address === null) return 'the destination is not an IP address';
  const reserved = rangeAround(lookup.addressSpace.reserved, address);
  if (reserved !== undefined && !lookup.isNamed(address))
    return `the destination belongs to ${reserved.name}, where no resource can be`;
  const obstacle = query.gateway === undefined ? null : obstacleAt(world.gateways.get(query.gateway));
  if (obstacle !== null) return obstacle;

  const destination = lookup.destination(address, query);
  const { configured, targets } = destination;
  const internet = !configured && rangeAround(lookup.addressSpace.public, address) !== undefined;
  const uncovered = configured ? otherPort(query) : 'no resource covers this destination';
  const nothing = targets.length === 0 && !internet ? uncovered : 'no policy allows it';
  const { inputs, policies, fromSource } = 'id' in source ? lookup.device(source, destination, internet) : source;
  return { world, query, configured, targets, internet, nothing, inputs, policies, fromSource };
}

/** Returns the reason when a resource has the address, but not the port. */
function otherPort({ protocol, port }: AccessQuery): string {
  const asked =
    protocol === 'tcp' || protocol === 'udp' ? `${protocol.toUpperCase()} port ${port}` : protocol.toUpperCase();
  return `a resource covers this address, but not ${protocol === 'other' ? 'this protocol' : asked}`;
}

/** Returns a lookup that searches the world itself. */
function plainLookup(world: World): Lookup {
  const isNamed = (address: Address): boolean =>
    world.resources.values().some((resource) => resource.addresses.some((own) => isVirtual(own, address)));
  return {
    addressSpace: addressSpaceOf(world.settings),
    isNamed,
    destination: (address, query) => {
      const named = isNamed(address);
      const around = [...world.resources.values()].filter((resource) => covers(resource, address, named));
      const targets = around.flatMap((resource) => {
        const addresses = covering(resource, address, named).filter(({ ports }) => admitsPort(ports, query));
        return addresses.length === 0 ? [] : [carriedPart(resource, addresses)];
      });
      return { configured: around.some(({ type }) => isAttachable(type)), targets: targets.sort(byId) };
    },
    device: (device) => ({
      inputs: inputsOf(world, device),
      policies: deviceTypes.flatMap((type) => world.policiesOf(type)),
      fromSource: (policy) => matchesDevice(world, policy, device),
    }),
  };
}

/** Compares objects by id, for sorting. */
export function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function deviceOf(world: World, id: string): WorldDevice | string {
  const device = world.devices.get(id);
  if (device === undefined) return 'unknown device';
  if (!device.active) return 'the device is deactivated';
  return isAlive(world, device) ? device : 'the owner of the device is not active';
}

function siteOf(world: World, text: string, { addressSpace }: Lookup): Source | string {
  const address = parseAddress(text);
  if (address === null) return 'the source is not an IP address';
  const reserved = rangeAround(addressSpace.reserved, address);
  if (reserved !== undefined) return `the source belongs to ${reserved.name}, where no site can be`;
  return {
    inputs: siteInputs,
    policies: world.policiesOf('SITETOSITE'),
    fromSource: ({ gateways, sourceIps }) =>
      gateways.length > 0 && rangeAround(sourceIps.map(sourceRange), address) !== undefined,
  };
}

function obstacleAt(gateway: WorldGateway | undefined): string | null {
  if (gateway === undefined) return 'unknown gateway';
  return gateway.intent === 'OFFLINE' ? 'the gateway is set to OFFLINE' : null;
}

/** Returns whether any address of a resource covers a destination, on any port. */
export function coversAddress(resource: WorldResource, destination: string): boolean {
  const address = parseAddress(destination);
  if (address === null) return false;
  return resource.addresses.some((own) => isVirtual(own, address)) || covers(resource, address, false);
}

/** Returns whether an address of a resource is a name with this virtual address. */
function isVirtual({ name, prefix }: WorldAddress, { family, value }: Address): boolean {
  return name !== undefined && rangeContains(prefixRange(prefix), family, value);
}

/** Returns whether any address of a resource covers a destination, on any port. */
const covers = (resource: WorldResource, address: Address, named: boolean): boolean =>
  covering(resource, address, named).length > 0;

/** Returns the addresses of a resource that cover a destination. Only names cover a virtual address (`named`). */
function covering({ addresses }: WorldResource, { family, value }: Address, named: boolean): WorldAddress[] {
  return addresses.filter(
    ({ name, prefix }) => (name !== undefined) === named && rangeContains(prefixRange(prefix), family, value),
  );
}

/** Returns whether ports include the queried one. */
export function admitsPort(ports: WorldResource['addresses'][number]['ports'], query: AccessQuery): boolean {
  const portless = query.protocol === 'icmp' || query.protocol === 'other';
  return ports.some(
    ({ protocol, from, to }) => protocol === query.protocol && (portless || (from <= query.port && query.port <= to)),
  );
}

function rangeAround<R extends IpRange>(ranges: readonly R[], { family, value }: Address): R | undefined {
  return ranges.find((range) => rangeContains(range, family, value));
}
