import type { PeerItem, RelayPointItem } from '@sallyport/contract/channel';
import { parseEndpoint } from '@sallyport/contract/endpoint';
import type { WorldDevice, WorldGateway } from '../../types.ts';
import type { World } from '../../world.ts';

/** What agents are told about gateways. */

/** Returns an address as a prefix of full length. */
export function hostPrefix(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

/** Returns whether others can have a tunnel to a gateway. */
export function isUsable(gateway: WorldGateway | undefined): gateway is WorldGateway & { readonly publicKey: string } {
  return gateway !== undefined && gateway.publicKey !== null && gateway.intent !== 'OFFLINE';
}

/** Returns the entry gateway of a plain device; null: the device connects to each gateway directly. */
export function entryOf(world: World, device: WorldDevice): string | null {
  const gateway = device.native || device.entryGateway === null ? undefined : world.gateways.get(device.entryGateway);
  return isEntry(gateway) ? device.entryGateway : null;
}

/** Returns whether a gateway can be an entry gateway now. */
export function isEntry(gateway: WorldGateway | undefined): boolean {
  return isUsable(gateway) && gateway.relayEnabled;
}

/** Returns the standing of a gateway as its peers see it. */
export function standingOf({ intent, failing }: WorldGateway): PeerItem['standing'] {
  if (intent === 'MAINTENANCE') return 'MAINTENANCE';
  return failing ? 'ERROR' : 'ACTIVE';
}

/** What a peer item says that depends on who has the peer. */
export type PeerUse = Pick<PeerItem, 'relays' | 'sources' | 'expiresAt'> & {
  /** Resources that the gateway carries for the holder of the peer. */
  readonly resources: ReadonlySet<string>;
};

/** Returns the peer item of a gateway. */
export function peerItem(
  gateway: WorldGateway & { readonly publicKey: string },
  { resources, relays, sources, expiresAt }: PeerUse,
): PeerItem {
  const { id, name, publicKey, addresses, endpoints, unreachable } = gateway;
  return {
    kind: 'peer',
    key: `peer/${id}`,
    id,
    name,
    publicKey,
    addresses: addresses.map((text) => text.replace(/\/.*/, '')),
    endpoints: endpoints.slice(0, 8),
    relays: relays.slice(0, 4),
    sources,
    standing: standingOf(gateway),
    unreachable: unreachable.filter((resource) => resources.has(resource)).sort(),
    expiresAt,
  };
}

/** Returns the `host:port` of a gateway at one of its relay ports, or null while it cannot relay. */
export function relayEndpoint(gateway: WorldGateway | undefined, port: number): string | null {
  if (!isUsable(gateway) || !gateway.relayEnabled) return null;
  const host = parseEndpoint(gateway.endpoints[0] ?? '')?.host;
  if (host === undefined) return null;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Returns the item that says where a gateway answers round-trip probes as a relay, or null. */
export function relayPoint(gateway: WorldGateway | null): RelayPointItem | null {
  const endpoint = gateway === null ? null : relayEndpoint(gateway, gateway.relayPorts.from);
  if (gateway === null || endpoint === null) return null;
  return { kind: 'relay-point', key: `relay-point/${gateway.id}`, id: gateway.id, endpoint };
}

/** Returns the relay points of gateways. A gateway does not get its own. */
export const relayPoints = (gateways: Iterable<WorldGateway>): RelayPointItem[] =>
  [...gateways].flatMap((gateway) => relayPoint(gateway) ?? []);
