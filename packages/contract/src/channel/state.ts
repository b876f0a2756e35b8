import { parsePrefix, parseRange } from '@sallyport/ip';
import { z } from 'zod';
import { list } from '../bounds.ts';
import { parseEndpoint } from '../http/common.ts';

/**
 * Desired state of a gateway or of a native device: a keyed set of items. A snapshot is all of them, a delta some. Items never depend on the
 * order in which they arrive; a missing item that another one names admits nothing (fails closed).
 */

/** Items of a state. */
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
  overlay: z.strictObject({ v4: prefix, v6: prefix }),
  mtu: z.int().min(576).max(9200),
  masquerade: z.boolean(),
  intent: z.enum(['ACTIVE', 'MAINTENANCE', 'OFFLINE']),
  /** In MAINTENANCE: when flows that remain are cut. Not in the hash: it is a moment, as the expiry of others. */
  drainUntil: z.int().nonnegative().nullable().describe('Epoch milliseconds; null: nothing is cut'),
  /** UDP ports of the relay, the first of which answers round-trip probes; null: this gateway relays for nobody. */
  relayPorts: z.strictObject({ from: z.int().min(1).max(65535), to: z.int().min(1).max(65535) }).nullable(),
});

/** Singleton `client`: the interface of a native device. */
export const ClientItem = z.strictObject({
  kind: z.literal('client'),
  key: z.literal('client'),
  addresses: list(prefix, 2).min(1),
  overlay: z.strictObject({ v4: prefix, v6: prefix }),
  mtu: z.int().min(576).max(9200),
  /** What a full tunnel leaves of the networks that the device is connected to; left out: resolvers (port 53). */
  localNetwork: z.enum(['CLOSED', 'OPEN']).optional(),
});

/**
 * `beacon/<n>`: a WireGuard peer without allowed IPs that is kept alive. It shows the controller which address the agent's own
 * WireGuard socket has on the internet; two of them show whether that depends on who is asked. Without an endpoint it is
 * nothing to send to: the peer may knock (`test-configuration` does), and is answered.
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
  /** Its overlay addresses, which the tunnel carries whatever else it does. */
  addresses: list(address, 2).min(1),
  /** Where to try, best first; none: it has to come to us, or through a relay. */
  endpoints: list(endpoint, 8),
  /** Where relays listen for this pair. */
  relays: list(z.strictObject({ gateway: z.uuid(), endpoint }), 4),
  /** Prefixes from which it may send to us beside its own addresses: sites behind it, devices that come in through it. */
  sources: list(prefix, many),
  /** Whether it takes new flows. */
  standing: z.enum(['ACTIVE', 'MAINTENANCE', 'ERROR']),
  /** Resources that it says it cannot reach at present. */
  unreachable: list(id, many),
  expiresAt: expiry,
});

/** `route/<prefix>`: destinations that one of these gateways carries. Prefixes may nest; the longest one counts. */
export const RouteItem = z.strictObject({
  kind: z.literal('route'),
  key,
  /** The prefix, canonical. */
  id: prefix,
  /** MANUAL: the first that is available. AUTOMATIC: spread over those with a like round-trip time. */
  mode: z.enum(['MANUAL', 'AUTOMATIC']),
  /** In order of preference. None: the prefix leads nowhere. */
  gateways: list(z.uuid(), many),
  /** Resources with addresses in the prefix; none for the internet at large. */
  resources: list(id, many),
  /**
   * TCP port that the one address of the prefix should answer at. A device asks there when its traffic gets no answers.
   * Advice only, so the hash leaves it out. Agents of protocol 2 are not sent it.
   */
  target: z.int().min(1).max(65535).optional(),
});

/** TCP ports of a resource that `ping` tries. */
export const mostPingPorts = 8;

/**
 * `resource/<id>`: what people on the device are told of a resource; decides nothing. `ping` is not in the hash: it is a hint, and
 * agents of protocol 2 get the item without.
 */
export const ResourceItem = z.strictObject({
  kind: z.literal('resource'),
  key,
  id,
  name: z.string().max(200),
  /** Null: it may be reached. Else what is in the way, in a sentence. */
  denied: z.string().max(2000).nullable(),
  /** Where its addresses may answer. */
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
  /** Two. `endpoint`: where to look for a peer that has not spoken yet. */
  peers: z.array(z.strictObject({ id: z.uuid(), publicKey, endpoint: endpoint.nullable() })).length(2),
  bytesPerSecond: z.int().positive(),
  expiresAt: expiry,
});

/**
 * `egress/<id>`: sources behind this gateway that may begin flows to destinations behind another one. What they may do there
 * is decided over there.
 */
export const EgressItem = z.strictObject({
  kind: z.literal('egress'),
  key,
  id,
  sources: list(prefix, many).min(1),
  destinations: list(prefix, many).min(1),
  expiresAt: expiry,
});

/** `device/<id>`: a WireGuard peer and the profile that decides over its packets. */
export const DeviceItem = z.strictObject({
  kind: z.literal('device'),
  key,
  id,
  publicKey,
  addresses: list(address, 2).min(1),
  /** Gateway through which it comes in, decrypted there and sent on; null: it has a tunnel of its own to us. */
  via: z.uuid().nullable(),
  /** Where a relay listens for this device and us; null: there is none. */
  relay: endpoint.nullable(),
  profile: key.nullable(),
  expiresAt: expiry,
});

/** `site/<id>`: source prefixes behind another gateway, admitted as if each address were a device of this profile. */
export const SiteItem = z.strictObject({
  kind: z.literal('site'),
  key,
  id,
  prefixes: list(prefix, many).min(1),
  profile: key,
  expiresAt: expiry,
});

/** `class/<id>`: destinations that all policies treat alike. Ranges of different classes never overlap. */
export const ClassItem = z.strictObject({
  kind: z.literal('class'),
  key,
  id,
  ranges: list(range, many).min(1),
});

/** Transports that a grant can be about. `other` is every IP protocol that is neither TCP, UDP nor ICMP/ICMPv6. */
export const DestinationProtocol = z.enum(['tcp', 'udp', 'icmp', 'other']);
export type DestinationProtocol = z.infer<typeof DestinationProtocol>;

/** An admitted range of ports, both ends included, and the policy that counts its packets. `icmp` and `other` carry 0..65535. */
export const Grant = z.strictObject({
  protocol: DestinationProtocol,
  from: z.int().min(0).max(65535),
  to: z.int().min(0).max(65535),
  policy: id,
});
export type Grant = Readonly<z.infer<typeof Grant>>;

/** A range of ports of one protocol, without the policy that admits it. */
export type PortRange = Omit<Grant, 'policy'>;

/** `bundle/<id>`: ports admitted together, disjoint per protocol, each with the policy that counts them. */
export const BundleItem = z.strictObject({
  kind: z.literal('bundle'),
  key,
  id,
  grants: list(Grant, many).min(1),
});

/** Bundles of a cell that follow its first one. */
export const mostSuccessors = 3;

/** A bundle that takes over when the one before expires, and its own expiry. */
export const Successor = z.strictObject({ bundle: id, expiresAt: expiry });
export type Successor = z.infer<typeof Successor>;

/**
 * The bundle of a profile in one class. `after` lists what stays open when the bundle expires and the controller sends
 * nothing: each successor holds less than the one before and expires later. Like expiry times it is not in the hash.
 */
export const Cell = z.strictObject({
  class: id,
  bundle: id,
  expiresAt: expiry,
  after: list(Successor, mostSuccessors).optional(),
  /**
   * Devices of the profile come in here to go on: their packets to the class are for the tunnel to another gateway, and for
   * nothing else. Left out: they are for this host and its networks. The hash tells it by the bundles, which such cells have
   * for themselves. Agents of protocol 2 are not sent it; their routes go by the destination alone.
   */
  onward: z.literal(true).optional(),
});
export type Cell = z.infer<typeof Cell>;

/** `profile/<id>`: what all devices of this profile may reach; at most one cell per class. */
export const ProfileItem = z.strictObject({
  kind: z.literal('profile'),
  key,
  id,
  cells: list(Cell, many),
});

/** `probe/<addressId>`: an address of an attached resource that the gateway checks from where it stands. */
export const ProbeItem = z.strictObject({
  kind: z.literal('probe'),
  key,
  id,
  resource: id,
  target: address,
  /** TCP port to connect to, or null: ICMP echo. */
  port: z.int().min(1).max(65535).nullable(),
});

/** Any item of a desired state, told apart by `kind`. */
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

/** Returns the bundle that a cell admits at `now`, epoch milliseconds, when its item is not renewed; null: none. */
export function bundleAt(cell: Cell, now: number): string | null {
  const current = [cell, ...(cell.after ?? [])].find(({ expiresAt }) => expiresAt === null || now < expiresAt);
  return current?.bundle ?? null;
}

/** Returns when the last bundle of a cell expires; null: none does before the lease. */
export function endOf({ expiresAt, after }: Cell): number | null {
  const last = after?.at(-1);
  return last === undefined ? expiresAt : last.expiresAt;
}

/** What changes between two states. */
export interface StateDelta {
  readonly upserts: readonly StateItem[];
  readonly removes: readonly string[];
}
