import type {
  BeaconItem,
  ClassItem,
  ClientItem,
  DeviceItem,
  GatewayItem,
  PeerItem,
  RelayItem,
  RouteItem,
  StateItem,
} from '@sallyport/contract/channel';
import { publicClass } from '@sallyport/contract/channel';
import type {
  AddressClass,
  Bundle,
  ClientHostState,
  Egress,
  FirewallDevice,
  FirewallState,
  HostState,
  PeerGateway,
  Profile,
  Site,
} from '@sallyport/hostnet';
import { canonicalPrefix, formatAddress, parsePrefix } from '@sallyport/ip';
import type { DeviceConfig, PeerConfig } from '@sallyport/wireguard';

type Items = ReadonlyMap<string, StateItem>;

/** Facts about the host that a desired state needs in addition to the items. */
export interface LocalFacts {
  /** Name of the tunnel interface. */
  readonly interface: string;
  /** WireGuard private key, base64. */
  readonly privateKey: string;
  /** Returns the current peer of an item: `Paths.peerConfig`. */
  readonly peerConfig: PeerSource;
}

/** A state item that can have a WireGuard peer of its own. */
export type TunnelItem = PeerItem | BeaconItem | DeviceItem;

/** Returns the WireGuard peer that an item should have at present. */
export type PeerSource = (item: TunnelItem) => PeerConfig;

/** Returns the gateway item, or null. A state without it cannot be applied. */
export function gatewayOf(items: Items): GatewayItem | null {
  const item = items.get('gateway');
  return item?.kind === 'gateway' ? item : null;
}

/** Returns the content of the nftables table. It has no grants while the intent is OFFLINE. */
export function firewallStateOf(items: Items, leaseUntil: number): FirewallState {
  const gateway = gatewayOf(items);
  const devices = new Map<string, FirewallDevice>();
  const sites = new Map<string, Site>();
  const gateways = new Map<string, PeerGateway>();
  const egress = new Map<string, Egress>();
  const classes = new Map<string, AddressClass>();
  const profiles = new Map<string, Profile>();
  const bundles = new Map<string, Bundle>();
  for (const item of isOpen(gateway) ? items.values() : []) {
    switch (item.kind) {
      case 'device':
        devices.set(item.id, item);
        break;
      case 'site':
        sites.set(item.id, item);
        break;
      case 'peer':
        gateways.set(item.id, item);
        break;
      case 'egress':
        egress.set(item.id, item);
        break;
      case 'class':
        classes.set(item.id, addressClassOf(item));
        break;
      case 'profile':
        profiles.set(item.id, item);
        break;
      case 'bundle':
        bundles.set(item.id, item);
        break;
      case 'gateway':
      case 'client':
      case 'probe':
      case 'beacon':
      case 'route':
      case 'resource':
      case 'relay-point':
      case 'relay':
      case 'name':
        break;
      default:
        item satisfies never;
    }
  }
  return {
    ...firewallSettingsOf(gateway),
    leaseUntil: closesAt(gateway, leaseUntil),
    devices,
    sites,
    gateways,
    egress,
    classes,
    profiles,
    bundles,
  };
}

/** Returns the settings of the table from the gateway item. */
export function firewallSettingsOf(gateway: GatewayItem | null): Pick<FirewallState, 'masquerade' | 'draining'> {
  return { masquerade: gateway?.masquerade ?? false, draining: gateway?.intent === 'MAINTENANCE' };
}

/** Returns the time at which the kernel blocks traffic by itself: the end of the lease or of a drain. */
export function closesAt(gateway: GatewayItem | null, leaseUntil: number): number {
  const drainUntil = gateway?.intent === 'MAINTENANCE' ? gateway.drainUntil : null;
  return drainUntil === null ? leaseUntil : Math.min(drainUntil, leaseUntil);
}

/** Returns link, addresses, routes and rules of a gateway. `name` is the name of the tunnel interface. */
export function hostStateOf(gateway: GatewayItem, items: Items, name: string): HostState {
  const { addresses, overlay, mtu } = gateway;
  const members = membersOf(gateway, items);
  return {
    interface: name,
    addresses: addresses.map(withLength),
    overlay,
    members,
    mtu,
    routes: awayPrefixes(gateway, items),
    ...(mayPass(items) && [...items.values()].some(leadsOnward) && { onward: true }),
  };
}

/** Returns whether devices of a profile reach other gateways through this one. */
export function leadsOnward(item: StateItem): boolean {
  return item.kind === 'profile' && item.cells.some((cell) => cell.onward === true);
}

/** Returns prefixes behind other gateways that concern networks here. Overlay members always have routes. */
function awayPrefixes({ overlay }: GatewayItem, items: Items): string[] {
  const inside = [overlay.v4, overlay.v6].flatMap((prefix) => parsePrefix(prefix) ?? []);
  const isMember = (text: string) => {
    const range = parsePrefix(text);
    return (
      range !== null &&
      inside.some(({ family, first, last }) => family === range.family && first <= range.first && range.last <= last)
    );
  };
  const all = mayPass(items) ? [...items.values()].flatMap(awayPrefixesOf) : [];
  return [...new Set(all.map(withLength))].filter((prefix) => !isMember(prefix)).sort();
}

/** Returns the prefixes of an item behind another gateway, for networks here. */
function awayPrefixesOf(item: StateItem): readonly string[] {
  if (item.kind === 'egress') return item.destinations;
  return item.kind === 'peer' ? item.sources : [];
}

/**
 * Returns the parts of the overlay in use here, sorted: the blocks of the gateway, of its devices and of other gateways. The
 * result includes the last address of each family, which the gateway's own probes use.
 */
function membersOf(gateway: GatewayItem, items: Items): string[] {
  const blocks = new Set(gateway.addresses.map(overlayBlock));
  for (const item of mayPass(items) ? items.values() : [])
    for (const address of memberAddresses(item)) blocks.add(overlayBlock(address));
  for (const prefix of [gateway.overlay.v4, gateway.overlay.v6]) blocks.add(lastAddress(prefix));
  return [...blocks].sort();
}

/** Returns the overlay addresses that an item gives to a member. */
export function memberAddresses(item: StateItem): readonly string[] {
  switch (item.kind) {
    case 'device':
    case 'peer':
      return item.addresses;
    case 'gateway':
    case 'client':
    case 'site':
    case 'class':
    case 'bundle':
    case 'profile':
    case 'probe':
    case 'beacon':
    case 'route':
    case 'resource':
    case 'relay-point':
    case 'relay':
    case 'egress':
    case 'name':
      return [];
  }
}

/** Returns the block of 256 addresses of a member. The controller assigns a block to one tenant. */
export function overlayBlock(address: string): string {
  const host = address.replace(/\/.*$/, '');
  const length = host.includes(':') ? 120 : 24;
  return canonicalPrefix(`${host}/${length}`) ?? host;
}

function lastAddress(prefix: string): string {
  const range = parsePrefix(prefix);
  return range === null ? prefix : withLength(formatAddress({ family: range.family, value: range.last }));
}

/** Returns link, addresses, routes and rules of a native device. */
export function clientHostOf(
  client: ClientItem,
  items: Items,
  facts: Pick<ClientHostState, 'interface' | 'mark' | 'table'>,
): ClientHostState {
  const { addresses, overlay, mtu, localNetwork } = client;
  const peers = [...items.values()].flatMap((item) => (item.kind === 'peer' ? item.addresses : []));
  const internet = [...items.values()].flatMap((item) => (isInternet(item) ? [prefixOf(item)] : []));
  const prefixes = routedPrefixes(items);
  const own = {
    addresses: addresses.map(withLength),
    overlay,
    mtu,
    members: [...new Set(peers.map(withLength))].sort(),
    ...(localNetwork !== undefined && { localNetwork }),
  };
  return { ...facts, ...own, prefixes, internet: internet.sort() };
}

/** Routes of a full tunnel. They contain no addresses of resources. */
export function isInternet(item: StateItem): item is RouteItem {
  return item.kind === 'route' && item.resources.length === 0;
}

/** Returns the complete WireGuard device of a gateway. It has no peers while the intent is OFFLINE. */
export function deviceConfigOf(items: Items, facts: LocalFacts): DeviceConfig {
  const gateway = gatewayOf(items);
  const { privateKey } = facts;
  return { privateKey, listenPort: gateway?.listenPort ?? 0, peers: peersOf(items, facts) };
}

/** Returns the WireGuard device of a native device. `listenPort`: 0, or the previous port, which NATs know. */
export function clientConfigOf(
  items: Items,
  facts: LocalFacts & { readonly fwmark: number; readonly listenPort: number },
): DeviceConfig {
  const { privateKey, fwmark, listenPort } = facts;
  return { privateKey, fwmark, listenPort, peers: peersOf(items, facts) };
}

/** Returns the client item of a native device, or null. */
export function clientOf(items: Items): ClientItem | null {
  const item = items.get('client');
  return item?.kind === 'client' ? item : null;
}

/** Returns the pairs that this gateway relays. It returns none while the intent is OFFLINE. */
export function relayPairsOf(items: Items): RelayItem[] {
  return isOpen(gatewayOf(items)) ? [...items.values()].filter((item) => item.kind === 'relay') : [];
}

/** Returns whether the item has its own WireGuard peer. A device behind another gateway has none. */
export function isTunnel(item: StateItem): item is TunnelItem {
  switch (item.kind) {
    case 'peer':
    case 'beacon':
      return true;
    case 'device':
      return item.via === null;
    case 'gateway':
    case 'client':
    case 'site':
    case 'class':
    case 'bundle':
    case 'profile':
    case 'probe':
    case 'route':
    case 'resource':
    case 'relay-point':
    case 'relay':
    case 'egress':
    case 'name':
      return false;
  }
}

/** Returns whether peers may exist. */
export function mayPass(items: Items): boolean {
  return isOpen(gatewayOf(items)) || clientOf(items) !== null;
}

/** Returns the peer of an item without endpoint and routes. */
export function restingPeer(item: TunnelItem): PeerConfig {
  return { publicKey: item.publicKey, allowedIps: allowedIpsOf(item) };
}

/** Returns the allowed IPs of a peer that do not depend on routes. */
export function allowedIpsOf(item: TunnelItem): string[] {
  switch (item.kind) {
    case 'beacon':
      return [];
    case 'device':
      return item.addresses.map(withLength);
    case 'peer':
      return [...new Set([...item.addresses, ...item.sources].map(withLength))];
  }
}

/** Returns the prefix of a route in the form of WireGuard. */
export function prefixOf(route: RouteItem): string {
  return withLength(route.id);
}

/** Returns a class of addresses for the firewall. The public class is marked as the internet. */
export function addressClassOf({ id, ranges }: ClassItem): AddressClass {
  return id === publicClass ? { id, ranges, internet: true } : { id, ranges };
}

/** Returns whether any traffic may pass. */
export function isOpen(gateway: GatewayItem | null): gateway is GatewayItem {
  return gateway !== null && gateway.intent !== 'OFFLINE';
}

function withLength(text: string): string {
  if (text.includes('/')) return text;
  return `${canonicalPrefix(text) ?? text}/${text.includes(':') ? 128 : 32}`;
}

function peersOf(items: Items, facts: LocalFacts): Map<string, PeerConfig> {
  const peers = new Map<string, PeerConfig>();
  for (const item of mayPass(items) ? items.values() : []) {
    if (isTunnel(item)) peers.set(item.publicKey, facts.peerConfig(item));
  }
  return peers;
}

/** Returns prefixes that a native device routes into the tunnel: destinations and sources behind gateways. */
function routedPrefixes(items: Items): string[] {
  if (!mayPass(items)) return [];
  return [...new Set([...items.values()].flatMap(routedBy))].sort();
}

function routedBy(item: StateItem): string[] {
  switch (item.kind) {
    case 'route':
      return [prefixOf(item)];
    case 'peer':
      return item.sources.map(withLength);
    case 'gateway':
    case 'client':
    case 'device':
    case 'site':
    case 'class':
    case 'bundle':
    case 'profile':
    case 'probe':
    case 'beacon':
    case 'resource':
    case 'relay-point':
    case 'relay':
    case 'egress':
    case 'name':
      return [];
  }
}
