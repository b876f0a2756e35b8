import { canonicalPrefix } from '@sallyport/contract';
import type { ClassItem, DeviceItem, GatewayItem, SiteItem, StateItem } from '@sallyport/contract/channel';
import type { AddressClass, Bundle, FirewallDevice, FirewallState, HostState, Profile, Site } from '@sallyport/hostnet';
import type { DeviceConfig, PeerConfig } from '@sallyport/wireguard';

type Items = ReadonlyMap<string, StateItem>;

/** What is needed of the host beside the items. */
export interface LocalFacts {
  /** Name of the tunnel interface. */
  readonly interface: string;
  /** WireGuard private key, base64. */
  readonly privateKey: string;
  /** Last known endpoint of a public key, so that a peer that is added again recovers at once. */
  readonly endpointOf: (publicKey: string) => string | undefined;
}

/** The singleton, or null: a state without it can not be put in force. */
export function gatewayOf(items: Items): GatewayItem | null {
  const item = items.get('gateway');
  return item?.kind === 'gateway' ? item : null;
}

/** Everything that the nftables table says. Without grants while the intent is OFFLINE. */
export function firewallStateOf(items: Items, leaseUntil: number): FirewallState {
  const gateway = gatewayOf(items);
  const devices = new Map<string, FirewallDevice>();
  const sites = new Map<string, Site>();
  const classes = new Map<string, AddressClass>();
  const profiles = new Map<string, Profile>();
  const bundles = new Map<string, Bundle>();
  for (const item of isOpen(gateway) ? items.values() : []) {
    if (item.kind === 'device') devices.set(item.id, firewallDeviceOf(item));
    else if (item.kind === 'site') sites.set(item.id, siteOf(item));
    else if (item.kind === 'class') classes.set(item.id, addressClassOf(item));
    else if (item.kind === 'profile') profiles.set(item.id, item);
    else if (item.kind === 'bundle') bundles.set(item.id, item);
  }
  return { ...firewallSettingsOf(gateway), leaseUntil, devices, sites, classes, profiles, bundles };
}

export function firewallSettingsOf(gateway: GatewayItem | null): Pick<FirewallState, 'masquerade' | 'draining'> {
  return { masquerade: gateway?.masquerade ?? false, draining: gateway?.intent === 'MAINTENANCE' };
}

export function hostStateOf(gateway: GatewayItem, name: string): HostState {
  const { addresses, overlay, mtu } = gateway;
  return { interface: name, addresses: addresses.map(withLength), overlay, mtu };
}

/** The WireGuard device, whole. Without peers while the intent is OFFLINE. */
export function deviceConfigOf(items: Items, facts: LocalFacts): DeviceConfig {
  const gateway = gatewayOf(items);
  const peers = new Map<string, PeerConfig>();
  for (const item of isOpen(gateway) ? items.values() : []) {
    if (item.kind === 'device') peers.set(item.publicKey, peerOf(item, facts));
  }
  return { privateKey: facts.privateKey, listenPort: gateway?.listenPort ?? 0, peers };
}

/**
 * A peer owns exactly its device's addresses. Its last endpoint is only where to try first: an endpoint that has roamed since
 * wins.
 */
export function peerOf(device: DeviceItem, facts: Pick<LocalFacts, 'endpointOf'>): PeerConfig {
  const endpoint = facts.endpointOf(device.publicKey);
  return { publicKey: device.publicKey, allowedIps: allowedIpsOf(device), ...(endpoint && { endpoint }) };
}

export function allowedIpsOf(device: DeviceItem): string[] {
  return device.addresses.map(withLength);
}

export function firewallDeviceOf({ id, addresses, profile, expiresAt }: DeviceItem): FirewallDevice {
  return { id, addresses, profile, expiresAt };
}

export function siteOf({ id, prefixes, profile, expiresAt }: SiteItem): Site {
  return { id, prefixes, profile, expiresAt };
}

export function addressClassOf({ id, ranges }: ClassItem): AddressClass {
  return { id, ranges };
}

/** Whether anything may pass at all. */
export function isOpen(gateway: GatewayItem | null): gateway is GatewayItem {
  return gateway !== null && gateway.intent !== 'OFFLINE';
}

function withLength(text: string): string {
  if (text.includes('/')) return text;
  return `${canonicalPrefix(text) ?? text}/${text.includes(':') ? 128 : 32}`;
}
