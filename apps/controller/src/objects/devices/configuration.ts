import { createHash } from 'node:crypto';
import { type DeviceConfiguration, type Gateway, parseEndpoint, privateKeyPlaceholder } from '@sallyport/contract';
import { parseAddress } from '@sallyport/ip';
import { type gatewaysFor, smallestMtu, type World } from '@sallyport/policy';
import { configurationText, type PlainPeer } from '@sallyport/wireguard';
import { endpointWithPort } from '../../endpoints.ts';
import { carve, type EndpointAddress, mayHold } from './carve.ts';
import { plainResolvers } from './plain-resolvers.ts';
import type { DeviceRow } from './store.ts';

/** Keeps the mapping of a NAT in front of the device open, seconds. */
const keepalive = 25;
/** RFC 8200, section 5. */
const leastMtuOfIpv6 = 1280;

/** What a configuration is made of. */
export interface ConfigurationParts {
  readonly device: DeviceRow;
  readonly world: World;
  readonly reach: ReturnType<typeof gatewaysFor>;
  readonly gateways: ReadonlyMap<string, Gateway>;
  /** Whether the device's host takes IPv6. */
  readonly ipv6: boolean;
  /** Whether the device takes its resolver from the configuration. */
  readonly dns: boolean;
}

/** Returns the addresses of a host name, or null when they are not known here. */
export type NameLookup = (name: string) => Promise<readonly string[] | null>;

/**
 * WireGuard configuration of a plain device: one peer for each gateway that carries something for it. Gateways that
 * cannot be a peer yet are left out, and a comment says which and why. The same world gives the same text, as long as
 * the names of endpoints have the same addresses.
 */
export async function deviceConfiguration(parts: ConfigurationParts, lookup: NameLookup): Promise<DeviceConfiguration> {
  const { device, world } = parts;
  const mtu = smallestMtu(world, parts.reach.keys());
  const inside = parts.ipv6 && mtu >= leastMtuOfIpv6;
  const { peers, comments } = peersOf(parts, inside);
  if (mtu < leastMtuOfIpv6) comments.push(`The tunnel carries no IPv6, which needs an MTU of ${leastMtuOfIpv6}.`);
  const endpoints = await endpointAddresses(parts, peers, lookup);
  const carved = peers.map((peer) => ({ peer, ...carve(peer.allowedIps, endpoints.known) }));
  const resolvers = resolversOf(parts, peers);
  const notes = [...new Set(carved.flatMap(({ out }) => out.map(outside))), ...resolvers.notes];
  comments.push(...notes);
  if (device.active !== 1) comments.push('This device is deactivated.');
  else if (peers.length === 0)
    comments.push('Nothing can be reached yet: no policy gives this device a resource on a gateway that is ready.');
  const configuration = configurationText({
    privateKey: { placeholder: privateKeyPlaceholder },
    addresses: [`${device.overlay_v4}/32`, ...(inside ? [`${device.overlay_v6}/128`] : [])],
    mtu,
    dns: resolvers.addresses,
    peers: carved.map(({ peer, prefixes }) => ({ ...peer, allowedIps: prefixes })),
  });
  const text = comments.map((comment) => `# ${comment}\n`).join('') + configuration;
  const all = [...notes, ...endpoints.unknown.map(unknown)];
  const revision = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return { revision, text, ...(all.length > 0 && { notes: all }) };
}

/** The resolvers in the configuration, and what to know about names, for people. */
function resolversOf({ world, reach, dns }: ConfigurationParts, peers: readonly NamedPeer[]) {
  const found = plainResolvers(
    world,
    reach,
    peers.map(({ gateway }) => gateway.id),
  );
  if (found === null) return { addresses: [], notes: [] };
  const { addresses, missing } = found;
  const forwards = world.settings.otherNames === 'FORWARD';
  const notes = missing.length === 0 ? [] : [unanswered(missing)];
  if (addresses.length > 0 && !forwards) notes.push(refusing(addresses));
  if (addresses.length > 0 && forwards && !dns) notes.push(withoutDns(addresses));
  return { addresses: forwards && dns ? addresses : [], notes };
}

const mostShown = 5;

const unanswered = (names: readonly string[]): string =>
  `No resolver of this device answers for ${names.slice(0, mostShown).join(', ')}${names.length > mostShown ? ` and ${names.length - mostShown} more` : ''}. One gateway must carry all of its names.`;

const refusing = (addresses: readonly string[]): string =>
  `${addresses.join(', ')} resolves names of resources, and refuses all others, so it is not the resolver of this device.`;

const withoutDns = (addresses: readonly string[]): string =>
  `Left out: DNS. Names of resources are resolved by ${addresses.join(', ')}.`;

interface NamedPeer extends PlainPeer {
  readonly gateway: Gateway;
}

/** `inside`: whether the tunnel carries IPv6. */
function peersOf({ world, reach, gateways, ipv6 }: ConfigurationParts, inside: boolean) {
  const peers: NamedPeer[] = [];
  const comments: string[] = [];
  for (const [id, prefixes] of [...reach].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const gateway = gateways.get(id);
    const overlay = world.gateways.get(id)?.addresses ?? [];
    const usable = [...overlay, ...prefixes].filter((prefix) => inside || !prefix.includes(':'));
    const peer = gateway === undefined ? 'it is gone' : peerOf(gateway, usable, ipv6);
    if (typeof peer !== 'string') peers.push(peer);
    else comments.push(`Left out: gateway "${gateway?.name ?? id}", ${peer}.`);
    const six = inside || typeof peer === 'string' ? [] : prefixes.filter((prefix) => prefix.includes(':'));
    if (six.length > 0) comments.push(`Left out, because it is without IPv6: ${six.join(', ')}.`);
  }
  return { peers, comments };
}

/** The gateway as a peer, or why it cannot be one. Its own addresses are in it, for the errors that it sends. */
function peerOf(gateway: Gateway, allowedIps: readonly string[], ipv6: boolean): NamedPeer | string {
  if (gateway.publicKey === undefined) return 'it has not been deployed yet';
  const given = gateway.endpoint ?? gateway.discoveredEndpoint;
  if (given === undefined) return 'it has no endpoint: none was given and none has been discovered';
  const endpoint = endpointWithPort(given, Number(gateway.wireguardPort));
  if (endpoint === null) return `WireGuard cannot use its endpoint ${given}`;
  if (!ipv6 && endpoint.startsWith('[')) return `its endpoint ${endpoint} needs IPv6`;
  return { gateway, publicKey: gateway.publicKey, endpoint, allowedIps, persistentKeepalive: keepalive };
}

/** Hosts of the endpoints, the given and the discovered one: WireGuard follows a peer that answers from the other. */
async function endpointAddresses({ world }: ConfigurationParts, peers: readonly NamedPeer[], lookup: NameLookup) {
  const known: EndpointAddress[] = [];
  const unknown: { host: string; gateway: string }[] = [];
  const own = new Set([...world.gateways.values()].flatMap(({ addresses }) => addresses));
  const routed = peers.flatMap(({ allowedIps }) => allowedIps.filter((prefix) => !own.has(prefix)));
  if (!mayHold(routed)) return { known, unknown };
  await Promise.all(
    peers.flatMap(({ gateway }) =>
      [gateway.endpoint, gateway.discoveredEndpoint].map(async (text) => {
        const host = text === undefined ? undefined : parseEndpoint(text)?.host;
        if (host === undefined) return;
        const addresses = parseAddress(host) === null ? await lookup(host) : [host];
        if (addresses === null) unknown.push({ host, gateway: gateway.name });
        for (const address of addresses ?? []) known.push({ address, gateway: gateway.name });
      }),
    ),
  );
  return { known: known.sort(byAddress), unknown: unknown.sort((a, b) => compare(a.host, b.host)) };
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byAddress = (a: EndpointAddress, b: EndpointAddress): number =>
  compare(a.address, b.address) || compare(a.gateway, b.gateway);

const outside = ({ address, gateway, prefix }: EndpointAddress & { prefix: string }): string =>
  `Outside of the tunnel: ${address}, the endpoint of gateway "${gateway}", although ${prefix} covers it. Resources at this address are out of reach.`;

const unknown = ({ host, gateway }: { host: string; gateway: string }): string =>
  `The controller does not know the address of ${host}, the endpoint of gateway "${gateway}". Where a prefix in AllowedIPs covers it, the tunnel does not work: give the gateway its endpoint as an address.`;
