import {
  type AccessType,
  type Address,
  type Gateway,
  isIpText,
  type Policy,
  type Protocol,
  type Resource,
  type ResourceSummary,
} from '@sallyport/contract';
import { labelsField } from '../../db/json.ts';
import { readableName } from './names.ts';
import { nameReports, type PresenceSource, shownReports, unresolvedReason } from './resolution.ts';
import type { AddressParts, ResourceParts, ResourceRow } from './store.ts';

type Protocols = ReadonlyMap<string, Protocol>;
type Gateways = ReadonlyMap<string, Gateway>;

/** A resource as other objects carry it. */
export type NestedResource = NonNullable<Policy['resources']>[number];

/**
 * Returns a resource in the form of answers. It is ONLINE when a gateway is online and enforces one of its addresses.
 */
export function resourceView(
  resource: ResourceParts,
  protocols: Protocols,
  known: Gateways,
  channel: PresenceSource,
): Resource {
  const { row, addresses, gateways } = resource;
  const status = statusOf(resource, known);
  const names = nameReports(resource, known, channel);
  const reason = unreachableReason(row.type, addresses, gateways) ?? unresolvedReason(resource, names);
  return {
    ...nestedResourceView(row),
    ...labelsField(row.labels),
    ...(status === undefined ? {} : { status }),
    ...(reason === null ? {} : { unreachableReason: reason }),
    addresses: addresses.map((address) => addressView(address, row.type, protocols)),
    gateways: gateways.flatMap((id) => known.get(id) ?? []),
    ...(names.length === 0 ? {} : { names: shownReports(names) }),
  };
}

/** Returns a resource as a table shows it. */
export function resourceSummary(resource: ResourceParts, known: Gateways, channel: PresenceSource): ResourceSummary {
  const { row, addresses, gateways } = resource;
  const status = statusOf(resource, known);
  const reports = nameReports(resource, known, channel);
  const reason = unreachableReason(row.type, addresses, gateways) ?? unresolvedReason(resource, reports);
  const [first] = addresses;
  return {
    ...nestedResourceView(row),
    ...labelsField(row.labels),
    ...(status === undefined ? {} : { status }),
    ...(reason === null ? {} : { unreachableReason: reason }),
    ...(first === undefined ? {} : { address: first.address }),
    addressCount: addresses.length,
    gatewayCount: gateways.length,
  };
}

/** Returns the status as shown; undefined while no gateway is attached. */
export function statusOf({ row, addresses, gateways }: ResourceParts, known: Gateways): Resource['status'] {
  const attached = gateways.flatMap((id) => known.get(id) ?? []);
  if (attached.length === 0) return undefined;
  const enforced = addresses.some(isEnforced(row.type));
  return enforced && attached.some(isOnline) ? 'ONLINE' : 'OFFLINE';
}

/** Returns an address in the form of answers. */
export function addressView(address: AddressParts, type: AccessType, protocols: Protocols): Address {
  const unicode = readableName(address.address);
  return {
    id: address.id,
    address: address.address,
    ...(unicode === null ? {} : { unicode }),
    isIp: isIpText(address.address),
    type,
    protocols: address.protocols.flatMap((id) => protocols.get(id) ?? []),
  };
}

/** Returns a resource in the form that policies show. */
export const nestedResourceView = (row: ResourceRow): NestedResource => ({
  id: row.id,
  createdAt: new Date(row.created_at).toISOString(),
  updatedAt: new Date(row.updated_at).toISOString(),
  name: row.name,
  type: row.type,
  loadBalancingMode: row.load_balancing_mode,
  ...(row.description === null ? {} : { description: row.description }),
});

/** Returns why a resource is unreachable under any policy; null when it is reachable. */
function unreachableReason(
  type: AccessType,
  addresses: readonly AddressParts[],
  gateways: readonly string[],
): string | null {
  if (addresses.length === 0) return 'It has no address';
  if (!addresses.some(isEnforced(type))) return `It has names only, and gateways resolve no names of type ${type}`;
  if (type !== 'INTERNET' && gateways.length === 0) return 'No gateway carries it';
  return null;
}

/** Returns a test for addresses that gateways enforce: IP addresses, and names of private resources. */
const isEnforced =
  (type: AccessType) =>
  ({ address }: AddressParts): boolean =>
    type === 'PRIVATE' || isIpText(address);

const isOnline = ({ status }: Gateway): boolean => status === 'ONLINE';
