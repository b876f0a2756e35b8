import { parsePrefix, parseRange } from '@sallyport/ip';
import { z } from 'zod';
import { list } from '../bounds.ts';
import { mostDnsDomains, mostDnsServers } from '../dns-servers.ts';
import { parseEndpoint } from '../endpoint.ts';

/**
 * Desired state of a gateway or native device: a set of items with keys. A snapshot holds all items, a delta some of them.
 * The order of arrival does not matter. A reference to a missing item admits nothing (fails closed).
 */

/** Maximum number of items in a state. */
export const mostItems = 500_000;

/** Bound of lists that grow with the tenant: prefixes, ranges, ports, cells, references. */
const many = 100_000;

const address = z
  .string()
  .max(64, { abort: true })
  .refine((text) => parsePrefix(text) !== null && !text.includes('/'), 'must be an IP address');
const prefix = z
  .string()
  .max(64, { abort: true })
  .refine((text) => parsePrefix(text) !== null, 'must be an IP prefix');
const range = z
  .string()
  .max(128, { abort: true })
  .refine((text) => parseRange(text) !== null, 'must be an address range first-last');
const key = z.string().min(1).max(200);
const id = z.string().max(200);
const endpoint = z
  .string()
  .max(300)
  .refine((text) => parseEndpoint(text) !== null, 'must be host:port');
const publicKey = z.string().length(44);
const expiry = z.int().nonnegative().nullable().describe('Epoch milliseconds; null: until the lease ends');

/** Singleton `gateway`: the interface and how the gateway behaves. */
export const GatewayItem = z.strictObject({
  kind: z.literal('gateway'),
  key: z.literal('gateway'),
  listenPort: z.int().min(1).max(65535),
  addresses: list(prefix, 2).min(1),
  /**
   * `names`: the range of IPv4 addresses that stand for names; left out: 100.96.0.0/11. The hash leaves it out, and
   * agents of protocol 3 do not receive it.
   */
  overlay: z.strictObject({ v4: prefix, v6: prefix, names: prefix.optional() }),
  mtu: z.int().min(576).max(9200),
  masquerade: z.boolean(),
  intent: z.enum(['ACTIVE', 'MAINTENANCE', 'OFFLINE']),
  /** In MAINTENANCE: time at which remaining flows are cut. Like expiry times, it is not in the hash. */
  drainUntil: z.int().nonnegative().nullable().describe('Epoch milliseconds; null: nothing is cut'),
  /** UDP ports of the relay; the first answers round-trip probes. null: this gateway does not relay. */
  relayPorts: z.strictObject({ from: z.int().min(1).max(65535), to: z.int().min(1).max(65535) }).nullable(),
  /**
   * Ranges to which no name may lead, because a policy denies a resource there. Left out: none, or no names. The hash
   * leaves it out, and agents of protocol 3 do not receive it.
   */
  deniedRanges: list(range, many).min(1).optional(),
  /**
   * Resolvers of its names. Left out: those of the host. The hash leaves it out, and agents of protocol 3 do not
   * receive it.
   */
  dnsServers: list(
    z.strictObject({ address, port: z.int().min(1).max(65535), domains: list(z.string().max(253), mostDnsDomains) }),
    mostDnsServers,
  )
    .min(1)
    .optional(),
  /**
   * Present: devices may also ask this gateway for names of no resource. The hash leaves it out, and agents of protocol 3
   * do not receive it.
   */
  forwarding: z.literal(true).optional(),
});

/** Singleton `client`: the interface of a native device. */
export const ClientItem = z.strictObject({
  kind: z.literal('client'),
  key: z.literal('client'),
  addresses: list(prefix, 2).min(1),
  overlay: z.strictObject({ v4: prefix, v6: prefix }),
  mtu: z.int().min(576).max(9200),
  /** Traffic to local networks that may bypass a full tunnel; left out: resolvers (port 53). */
  localNetwork: z.enum(['CLOSED', 'OPEN']).optional(),
  /** Present: gateways also answer for names of no resource. Hash and protocol 3: as in the item of a gateway. */
  forwarding: z.literal(true).optional(),
});

/**
 * `beacon/<n>`: a WireGuard peer without allowed IPs and with keepalive. It shows the controller the internet address of the
 * agent's WireGuard socket. Two beacons show whether the NAT mapping depends on the destination. Without an endpoint, the
 * agent only answers handshakes of the peer, as in a gateway test.
 */
export const BeaconItem = z.strictObject({
  kind: z.literal('beacon'),
  key,
  id,
  publicKey,
  endpoint: endpoint.nullable(),
});

/** `peer/<gatewayId>`: a gateway that the agent has a tunnel to. */
export const PeerItem = z.strictObject({
  kind: z.literal('peer'),
  key,
  id: z.uuid(),
  name: z.string().max(200),
  publicKey,
  /** Overlay addresses of the gateway. The tunnel always carries them. */
  addresses: list(address, 2).min(1),
  /** Endpoints to try, best first. None: the peer must connect to this agent, or through a relay. */
  endpoints: list(endpoint, 8),
  /** Endpoints of relays that listen for this pair. */
  relays: list(z.strictObject({ gateway: z.uuid(), endpoint }), 4),
  /** Extra source prefixes of the peer: sites behind it, and devices that enter through it. */
  sources: list(prefix, many),
  /** Whether the gateway accepts new flows. */
  standing: z.enum(['ACTIVE', 'MAINTENANCE', 'ERROR']),
  /** Resources that the gateway reports as unreachable. */
  unreachable: list(id, many),
  expiresAt: expiry,
});

/** `route/<prefix>`: destinations that one of these gateways carries. Prefixes may nest; the longest match wins. */
export const RouteItem = z.strictObject({
  kind: z.literal('route'),
  key,
  /** The prefix, canonical. */
  id: prefix,
  /** MANUAL: the first available gateway. AUTOMATIC: distributed over gateways with similar round-trip times. */
  mode: z.enum(['MANUAL', 'AUTOMATIC']),
  /** Gateways in order of preference. None: packets to the prefix are dropped. */
  gateways: list(z.uuid(), many),
  /** Resources with addresses in the prefix; none for the internet at large. */
  resources: list(id, many),
  /**
   * TCP port at which the single address of the prefix should answer. A device tests it when its traffic gets no answers.
   * It is a hint, so the hash leaves it out.
   */
  target: z.int().min(1).max(65535).optional(),
});

/** TCP ports of a resource that `ping` tries. */
export const mostPingPorts = 8;

/**
 * `resource/<id>`: information about a resource for people on the device. It does not affect access. `ping` is a hint, so
 * the hash leaves it out.
 */
export const ResourceItem = z.strictObject({
  kind: z.literal('resource'),
  key,
  id,
  name: z.string().max(200),
  /** Reason why access is denied, as a sentence; null: access is allowed. */
  denied: z.string().max(2000).nullable(),
  /** Ports at which its addresses may answer. */
  ping: z.strictObject({ tcp: list(z.int().min(1).max(65535), mostPingPorts), icmp: z.boolean() }).optional(),
});

/** `relay-point/<gatewayId>`: a relay whose round-trip time the agent measures. */
export const RelayPointItem = z.strictObject({ kind: z.literal('relay-point'), key, id: z.uuid(), endpoint });

/** `relay/<id>`: two peers between which the gateway forwards WireGuard datagrams that it cannot read. */
export const RelayItem = z.strictObject({
  kind: z.literal('relay'),
  key,
  id,
  port: z.int().min(1).max(65535),
  /** The two peers. `endpoint`: expected address of a peer that has not sent yet. */
  peers: z.array(z.strictObject({ id: z.uuid(), publicKey, endpoint: endpoint.nullable() })).length(2),
  bytesPerSecond: z.int().positive(),
  expiresAt: expiry,
});

/**
 * `egress/<id>`: sources behind this gateway that may start flows to destinations behind another gateway. The other gateway
 * decides about access.
 */
export const EgressItem = z.strictObject({
  kind: z.literal('egress'),
  key,
  id,
  sources: list(prefix, many).min(1),
  destinations: list(prefix, many).min(1),
  expiresAt: expiry,
});

/** `device/<id>`: a WireGuard peer and the profile that decides about its packets. */
export const DeviceItem = z.strictObject({
  kind: z.literal('device'),
  key,
  id,
  publicKey,
  addresses: list(address, 2).min(1),
  /** Entry gateway, which decrypts and forwards its packets; null: the device has its own tunnel to this gateway. */
  via: z.uuid().nullable(),
  /** Endpoint of a relay for this device and gateway; null: none. */
  relay: endpoint.nullable(),
  profile: key.nullable(),
  expiresAt: expiry,
});

/** `site/<id>`: source prefixes behind another gateway. Each address is admitted like a device of this profile. */
export const SiteItem = z.strictObject({
  kind: z.literal('site'),
  key,
  id,
  prefixes: list(prefix, many).min(1),
  profile: key,
  expiresAt: expiry,
});

/** `class/<id>`: destinations that all policies treat the same. Ranges of different classes never overlap. */
export const ClassItem = z.strictObject({
  kind: z.literal('class'),
  key,
  id,
  ranges: list(range, many).min(1),
});

/** Protocols of a grant. `other` is every IP protocol except TCP, UDP and ICMP/ICMPv6. */
export const DestinationProtocol = z.enum(['tcp', 'udp', 'icmp', 'other']);
export type DestinationProtocol = z.infer<typeof DestinationProtocol>;

/** An admitted port range, inclusive, and the policy that counts its packets. `icmp` and `other` have 0..65535. */
export const Grant = z.strictObject({
  protocol: DestinationProtocol,
  from: z.int().min(0).max(65535),
  to: z.int().min(0).max(65535),
  policy: id,
});
export type Grant = Readonly<z.infer<typeof Grant>>;

/** A range of ports of one protocol, without the policy that admits it. */
export type PortRange = Omit<Grant, 'policy'>;

/** `bundle/<id>`: a set of admitted ports, disjoint per protocol, each with the policy that counts its packets. */
export const BundleItem = z.strictObject({
  kind: z.literal('bundle'),
  key,
  id,
  grants: list(Grant, many).min(1),
});

/** Maximum number of successors of the first bundle of a cell. */
export const mostSuccessors = 3;

/** A bundle that replaces the previous one at its expiry, and its own expiry. */
export const Successor = z.strictObject({ bundle: id, expiresAt: expiry });
export type Successor = z.infer<typeof Successor>;

/**
 * The bundle of a profile in one class. `after` lists the bundles that follow when the bundle expires without an update.
 * Each successor admits less than the one before and expires later. Like expiry times, it is not in the hash.
 */
export const Cell = z.strictObject({
  class: id,
  bundle: id,
  expiresAt: expiry,
  after: list(Successor, mostSuccessors).optional(),
  /**
   * Packets of the profile to the class may only go on through the tunnel to another gateway. Left out: they are for this
   * host and its networks. The hash covers it through the bundles, which onward cells do not share with others.
   */
  onward: z.literal(true).optional(),
});
export type Cell = z.infer<typeof Cell>;

/** `profile/<id>`: access of all devices with this profile, with at most one cell per class. */
export const ProfileItem = z.strictObject({
  kind: z.literal('profile'),
  key,
  id,
  cells: list(Cell, many),
});

/** `probe/<addressId>`: an address of an attached resource whose reachability the gateway checks. */
export const ProbeItem = z.strictObject({
  kind: z.literal('probe'),
  key,
  id,
  resource: id,
  target: address,
  /** TCP port to connect to; null: use ICMP echo. */
  port: z.int().min(1).max(65535).nullable(),
});

/** Most virtual addresses of a name: those of 32 networks. */
export const mostNameAddresses = 64;

/**
 * `name/<name>`: the virtual addresses of a host name of resources. A gateway answers queries for the name, and
 * translates packets to its virtual addresses. A device sends queries for the name to the gateway that carries them.
 * The hash leaves the item out: classes and profiles decide about access, and agents of protocol 3 do not receive it.
 */
export const NameItem = z.strictObject({
  kind: z.literal('name'),
  key,
  /**
   * The name in lower case and in ASCII, without a final dot; or a wildcard. Nothing answers at the addresses of a
   * wildcard: grants of them say who may ask for names that it covers.
   */
  id: z.string().min(1).max(256),
  /**
   * A gateway gets the IPv4 and the IPv6 address in its network. A device gets the addresses in all networks in which it
   * reaches the name, best first.
   */
  addresses: list(address, mostNameAddresses).min(1),
  /** Resources of this gateway that have the name. Their probes show whether it resolves. None on a device. */
  resources: list(
    z.strictObject({
      id,
      probe: id,
      /** TCP port at which its real addresses should answer; null: an ICMP echo. */
      port: z.int().min(1).max(65535).nullable().optional(),
    }),
    many,
  ),
});

/** Any item of a desired state, distinguished by `kind`. */
export const StateItem = z.discriminatedUnion('kind', [
  GatewayItem,
  ClientItem,
  DeviceItem,
  SiteItem,
  ClassItem,
  BundleItem,
  ProfileItem,
  ProbeItem,
  BeaconItem,
  PeerItem,
  RouteItem,
  ResourceItem,
  RelayPointItem,
  RelayItem,
  EgressItem,
  NameItem,
]);
export type StateItem = z.infer<typeof StateItem>;
export type GatewayItem = z.infer<typeof GatewayItem>;
export type DeviceItem = z.infer<typeof DeviceItem>;
export type SiteItem = z.infer<typeof SiteItem>;
export type ClassItem = z.infer<typeof ClassItem>;
export type BundleItem = z.infer<typeof BundleItem>;
export type ProfileItem = z.infer<typeof ProfileItem>;
export type ProbeItem = z.infer<typeof ProbeItem>;

export type ClientItem = z.infer<typeof ClientItem>;
export type BeaconItem = z.infer<typeof BeaconItem>;
export type PeerItem = z.infer<typeof PeerItem>;
export type RouteItem = z.infer<typeof RouteItem>;
export type ResourceItem = z.infer<typeof ResourceItem>;
export type RelayPointItem = z.infer<typeof RelayPointItem>;
export type RelayItem = z.infer<typeof RelayItem>;
export type EgressItem = z.infer<typeof EgressItem>;
export type NameItem = z.infer<typeof NameItem>;

/** Returns the bundle that a cell admits at `now` (epoch milliseconds) without renewal, or null. */
export function bundleAt(cell: Cell, now: number): string | null {
  const current = [cell, ...(cell.after ?? [])].find(({ expiresAt }) => expiresAt === null || now < expiresAt);
  return current?.bundle ?? null;
}

/** Returns the expiry of the last bundle of a cell, or null if it lasts until the lease ends. */
export function endOf({ expiresAt, after }: Cell): number | null {
  const last = after?.at(-1);
  return last === undefined ? expiresAt : last.expiresAt;
}

/** Changes between two states. */
export interface StateDelta {
  readonly upserts: readonly StateItem[];
  readonly removes: readonly string[];
}
