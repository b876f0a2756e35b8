import type {
  BeaconItem,
  BundleItem,
  ClassItem,
  ClientItem,
  DeviceItem,
  EgressItem,
  GatewayItem,
  PeerItem,
  ProbeItem,
  ProfileItem,
  RelayPointItem,
  RouteItem,
  SiteItem,
} from '@sallyport/contract/channel';

/** Returns the gateway item of a state. */
export function gatewayItem(over: Partial<GatewayItem> = {}): GatewayItem {
  return {
    kind: 'gateway',
    key: 'gateway',
    listenPort: 51820,
    addresses: ['100.64.0.1/32', 'fd00:5a11::1/128'],
    overlay: { v4: '100.64.0.0/10', v6: 'fd00:5a11::/48' },
    mtu: 1280,
    masquerade: true,
    intent: 'ACTIVE',
    drainUntil: null,
    relayPorts: null,
    ...over,
  };
}

/** Returns device number `n` (1 to 250). The number determines its key and addresses. */
export function deviceItem(n: number, over: Partial<DeviceItem> = {}): DeviceItem {
  const id = `d${n}`;
  return {
    kind: 'device',
    key: `device/${id}`,
    id,
    publicKey: Buffer.alloc(32, n).toString('base64'),
    addresses: [`100.64.1.${n}`, `fd00:5a11::1:${n.toString(16)}`],
    via: null,
    relay: null,
    profile: 'p1',
    expiresAt: null,
    ...over,
  };
}

/** Returns a site item. */
export function siteItem(id: string, over: Partial<SiteItem> = {}): SiteItem {
  return { kind: 'site', key: `site/${id}`, id, prefixes: ['10.1.0.0/16'], profile: 'p1', expiresAt: null, ...over };
}

/** Returns a profile item. */
export function profileItem(id: string, cells: ProfileItem['cells']): ProfileItem {
  return { kind: 'profile', key: `profile/${id}`, id, cells };
}

/** Returns a class item. */
export function classItem(id: string, ranges: readonly string[]): ClassItem {
  return { kind: 'class', key: `class/${id}`, id, ranges: [...ranges] };
}

/** Returns a bundle item. */
export function bundleItem(id: string, grants: BundleItem['grants']): BundleItem {
  return { kind: 'bundle', key: `bundle/${id}`, id, grants };
}

/** Returns a probe item. */
export function probeItem(id: string, target: string, port: number | null): ProbeItem {
  return { kind: 'probe', key: `probe/${id}`, id, resource: 'r1', target, port };
}

/** Returns the client item of a native device. */
export function clientItem(over: Partial<ClientItem> = {}): ClientItem {
  const overlay = { v4: '100.64.0.0/10', v6: 'fd00:5a11::/48' };
  return { kind: 'client', key: 'client', addresses: ['100.64.9.9/32'], overlay, mtu: 1280, ...over };
}

/** Returns the id of gateway number `n` (1 to 250). */
export function gatewayId(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
}

/** Returns gateway number `n`. The number determines its key, address and endpoint. */
export function peerItem(n: number, over: Partial<PeerItem> = {}): PeerItem {
  const id = gatewayId(n);
  return {
    kind: 'peer',
    key: `peer/${id}`,
    id,
    name: `gateway ${n}`,
    publicKey: Buffer.alloc(32, `gateway ${n} `).toString('base64'),
    addresses: [`100.64.0.${n}`],
    endpoints: [`192.0.2.${n}:51820`],
    relays: [],
    sources: [],
    standing: 'ACTIVE',
    unreachable: [],
    expiresAt: null,
    ...over,
  };
}

/** Returns a route through the gateways with these numbers. */
export function routeItem(prefix: string, gateways: readonly number[], over: Partial<RouteItem> = {}): RouteItem {
  const ids = gateways.map(gatewayId);
  return { kind: 'route', key: `route/${prefix}`, id: prefix, mode: 'MANUAL', gateways: ids, resources: [], ...over };
}

/** Returns a beacon item. */
export function beaconItem(n: number, endpoint: string | null = `203.0.113.1:${51818 + n}`): BeaconItem {
  const publicKey = Buffer.alloc(32, `beacon ${n} `).toString('base64');
  return { kind: 'beacon', key: `beacon/${n}`, id: `${n}`, publicKey, endpoint };
}

/** Returns a relay point item. */
export function relayPointItem(n: number, endpoint = `198.51.100.${n}:51900`): RelayPointItem {
  return { kind: 'relay-point', key: `relay-point/${gatewayId(n)}`, id: gatewayId(n), endpoint };
}

/** Returns an egress item. */
export function egressItem(id: string, over: Partial<EgressItem> = {}): EgressItem {
  const lists = { sources: ['10.1.0.0/16'], destinations: ['10.2.0.0/16'] };
  return { kind: 'egress', key: `egress/${id}`, id, ...lists, expiresAt: null, ...over };
}
