import type { GatewayItem, PeerItem, RouteItem, StateItem } from '@sallyport/contract/channel';
import { StateHash } from '@sallyport/contract/channel';
import type { FoundFirewall } from '@sallyport/hostnet';
import type { DeviceStatus } from '@sallyport/wireguard';
import type { ItemChange } from '../session/types.ts';
import { allowedIpsOf, firewallSettingsOf, isTunnel, mayPass, prefixOf, type TunnelItem } from './wanted.ts';

type Items = ReadonlyMap<string, StateItem>;

/** State that was read back from the system. */
export interface Evidence {
  /** Null: no device answers. Undefined: not read, because the change did not touch it. */
  readonly wireguard: DeviceStatus | null | undefined;
  /** Public key that the device should have. */
  readonly publicKey: string;
  /** Expected mark of its packets. Packets of a gateway have none. */
  readonly fwmark?: number;
  /** Null on a native device, which makes no access decisions. */
  readonly firewall: FoundFirewall | null;
  /** A sentence for each wrong link, address, route, rule or sysctl. */
  readonly hostDifferences: readonly string[];
  /** Epoch milliseconds. */
  readonly now: number;
}

/**
 * State in force, derived from the readings of the system. Its hash equals the hash of the desired state if and only if the
 * system is exactly as desired.
 *
 * A device is in force with its peer and its firewall elements. The gateway is in force with key, port and rules. A route is
 * in force if any of its gateways has its prefix. Probes, relays and texts for people are in force once accepted. With
 * intent OFFLINE, peers and grants are in force when they are absent. An expired item may be present or absent.
 */
export class InForce {
  #items = new Map<string, StateItem>();
  #hash = new StateHash();
  #spoiled = false;

  /** 64 hexadecimal digits. */
  get hash(): string {
    if (!this.#spoiled) return this.#hash.toString();
    this.#hash.add(spoil);
    const text = this.#hash.toString();
    this.#hash.remove(spoil);
    return text;
  }

  /** Checks every item and unknown objects. Returns a sentence for each difference. */
  examine(items: Items, evidence: Evidence): string[] {
    this.#items = new Map();
    this.#hash = new StateHash();
    const context = contextOf(items, evidence);
    const faults = [...items.values()].flatMap((item) => this.#judge(item, context));
    return this.#conclude([...faults, ...foreignPeers(context)], evidence);
  }

  /** Checks only the items that a change touched. */
  examineTouched(changes: readonly ItemChange[], items: Items, evidence: Evidence): string[] {
    const context = contextOf(items, evidence);
    const faults = changes.flatMap(({ before, after }) => {
      this.#drop((before ?? after)?.key);
      return [...leftPeers(before, context), ...(after === null ? [] : this.#judge(after, context))];
    });
    return this.#conclude(faults, evidence);
  }

  #judge(item: StateItem, context: Context): string[] {
    const fault = faultOf(item, context);
    if (fault !== null) return [fault];
    this.#items.set(item.key, item);
    this.#hash.add(item);
    return [];
  }

  #drop(key: string | undefined): void {
    const item = key === undefined ? undefined : this.#items.get(key);
    if (item === undefined) return;
    this.#items.delete(item.key);
    this.#hash.remove(item);
  }

  #conclude(faults: readonly string[], evidence: Evidence): string[] {
    const differences = [...(evidence.firewall?.differences ?? []), ...evidence.hostDifferences, ...faults];
    this.#spoiled = differences.length > 0;
    return differences;
  }
}

/** Key that no desired state has. It changes the hash of a system with extra objects. */
const spoil: StateItem = { kind: 'probe', key: 'spoil', id: 'spoil', resource: '', target: '0.0.0.0', port: null };

interface Context extends Evidence {
  readonly items: Items;
  /** Whether peers and grants must be present. */
  readonly open: boolean;
  /** Public keys of the peers that have a prefix. */
  readonly owners: ReadonlyMap<string, string>;
}

function contextOf(items: Items, evidence: Evidence): Context {
  const peers = [...(evidence.wireguard?.peers.values() ?? [])];
  const owners = new Map(peers.flatMap(({ publicKey, allowedIps }) => allowedIps.map((ip) => [ip, publicKey])));
  return { ...evidence, items, open: mayPass(items), owners };
}

function foreignPeers({ items, open, wireguard }: Context): string[] {
  const expected = new Set(open ? [...items.values()].filter(isTunnel).map(({ publicKey }) => publicKey) : []);
  return [...(wireguard?.peers.keys() ?? [])]
    .filter((key) => !expected.has(key))
    .map((key) => `peer ${key} should not be there`);
}

/** Checks that the previous key of an item is gone, unless another item has it. */
function leftPeers(before: StateItem | null, { items, wireguard }: Context): string[] {
  if (before === null || !isTunnel(before) || !wireguard?.peers.has(before.publicKey)) return [];
  for (const item of items.values()) if (isTunnel(item) && item.publicKey === before.publicKey) return [];
  return [`peer ${before.publicKey} should not be there`];
}

function faultOf(item: StateItem, context: Context): string | null {
  switch (item.kind) {
    case 'gateway':
      return gatewayFault(item, context);
    case 'client':
      return interfaceFault(context);
    case 'probe':
    case 'relay':
    case 'relay-point':
    case 'resource':
    case 'name':
      return null;
    case 'peer':
      return peerFault(item, context) ?? (context.firewall === null ? null : elementFault(item, context));
    case 'beacon':
      return peerFault(item, context);
    case 'route':
      return routeFault(item, context);
    case 'device':
      return (isTunnel(item) ? peerFault(item, context) : null) ?? (context.open ? elementFault(item, context) : null);
    case 'site':
    case 'egress':
    case 'class':
    case 'bundle':
    case 'profile':
      return elementFault(item, context);
  }
}

const tables = {
  device: 'devices',
  site: 'sites',
  peer: 'gateways',
  egress: 'egress',
  class: 'classes',
  bundle: 'bundles',
  profile: 'profiles',
} as const;

function elementFault(item: Extract<StateItem, { kind: keyof typeof tables }>, context: Context): string | null {
  const { firewall, now, open } = context;
  const over = 'expiresAt' in item && item.expiresAt !== null && item.expiresAt <= now;
  const found = firewall?.[tables[item.kind]].has(item.id) ?? false;
  if (found === open || (open && over)) return null;
  return `${item.kind} ${item.id} is ${open ? 'not' : 'still'} in the firewall`;
}

function peerFault(item: TunnelItem, { wireguard, open, items }: Context): string | null {
  if (wireguard === undefined) return null;
  const peer = wireguard?.peers.get(item.publicKey);
  if (!open) return peer === undefined ? null : `${item.kind} ${item.id} still has a peer`;
  if (peer === undefined) return `${item.kind} ${item.id} has no peer`;
  const own = allowedIpsOf(item);
  const further = peer.allowedIps.filter((prefix) => !own.includes(prefix));
  const right =
    own.every((prefix) => peer.allowedIps.includes(prefix)) &&
    further.every((prefix) => item.kind === 'peer' && mayCarry(item, prefix, items));
  return right ? null : `the peer of ${item.kind} ${item.id} has other addresses`;
}

function mayCarry(peer: PeerItem, prefix: string, items: Items): boolean {
  const route = items.get(`route/${prefix}`);
  return route?.kind === 'route' && route.gateways.includes(peer.id);
}

function routeFault(item: RouteItem, { wireguard, open, items, owners }: Context): string | null {
  if (wireguard === undefined || !open || owners.has(prefixOf(item))) return null;
  const carried = item.gateways.some((gateway) => items.has(`peer/${gateway}`));
  return carried ? `no gateway carries ${item.id}` : null;
}

function gatewayFault(item: GatewayItem, context: Context): string | null {
  const { wireguard, firewall } = context;
  const fault = interfaceFault(context);
  if (fault !== null) return fault;
  if (wireguard && wireguard.listenPort !== item.listenPort)
    return `WireGuard does not listen on port ${item.listenPort}`;
  const wanted = firewallSettingsOf(item);
  const settings = firewall?.settings ?? null;
  return settings?.masquerade === wanted.masquerade && settings.draining === wanted.draining
    ? null
    : 'the rules of the firewall are not as wanted';
}

function interfaceFault({ wireguard, publicKey, fwmark }: Context): string | null {
  if (wireguard === null) return 'the WireGuard device does not run';
  if (wireguard === undefined) return null;
  if (wireguard.publicKey !== publicKey) return 'the WireGuard device has another key';
  return wireguard.fwmark === (fwmark ?? 0) ? null : 'the packets of WireGuard have another mark';
}
