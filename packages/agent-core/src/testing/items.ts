import type {
  BundleItem,
  ClassItem,
  DeviceItem,
  GatewayItem,
  ProbeItem,
  ProfileItem,
  SiteItem,
} from '@sallyport/contract/channel';

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

/** Device number `n` (1 to 250), with a key and addresses that follow from the number. */
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

export function siteItem(id: string, over: Partial<SiteItem> = {}): SiteItem {
  return { kind: 'site', key: `site/${id}`, id, prefixes: ['10.1.0.0/16'], profile: 'p1', expiresAt: null, ...over };
}

export function profileItem(id: string, cells: ProfileItem['cells']): ProfileItem {
  return { kind: 'profile', key: `profile/${id}`, id, cells };
}

export function classItem(id: string, ranges: readonly string[]): ClassItem {
  return { kind: 'class', key: `class/${id}`, id, ranges: [...ranges] };
}

export function bundleItem(id: string, grants: BundleItem['grants']): BundleItem {
  return { kind: 'bundle', key: `bundle/${id}`, id, grants };
}

export function probeItem(id: string, target: string, port: number | null): ProbeItem {
  return { kind: 'probe', key: `probe/${id}`, id, resource: 'r1', target, port };
}
