import type { DeviceItem, GatewayItem, StateItem } from '@sallyport/contract/channel';
import { StateHash } from '@sallyport/contract/channel';
import type { FoundFirewall } from '@sallyport/hostnet';
import type { DeviceStatus } from '@sallyport/wireguard';
import type { ItemChange } from '../session/types.ts';
import { allowedIpsOf, firewallSettingsOf, gatewayOf, isOpen } from './wanted.ts';

/** What was read back from the system. */
export interface Evidence {
  /** Null: there is no device that answers. Undefined: not looked at, because nothing in it was touched. */
  readonly wireguard: DeviceStatus | null | undefined;
  /** Public key that the device should have. */
  readonly publicKey: string;
  readonly firewall: FoundFirewall;
  /** What is not as wanted with link, addresses, routes, rules and sysctls, a sentence each. */
  readonly hostDifferences: readonly string[];
  /** Epoch milliseconds. */
  readonly now: number;
}

/**
 * State that is in force, by what was found in the system. Its hash equals the desired state's if and only if the system is
 * exactly as desired.
 *
 * A device is in force when its peer and its firewall elements are; the gateway when key, port and rules are; probes are by
 * being accepted. With intent OFFLINE the opposite holds: devices and grants are in force when they are absent. An item whose
 * time is over may be there or not.
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

  /** Judges every item, and whatever else is there. Returns a sentence for each thing that is not as desired. */
  examine(items: ReadonlyMap<string, StateItem>, evidence: Evidence): string[] {
    this.#items = new Map();
    this.#hash = new StateHash();
    const gateway = gatewayOf(items);
    const faults = [...items.values()].flatMap((item) => this.#judge(item, gateway, evidence));
    return this.#conclude([...faults, ...foreignPeers(items, gateway, evidence)], evidence);
  }

  /** Judges only what a change touched. */
  examineTouched(changes: readonly ItemChange[], items: ReadonlyMap<string, StateItem>, evidence: Evidence): string[] {
    const gateway = gatewayOf(items);
    const faults = changes.flatMap(({ before, after }) => {
      this.#drop((before ?? after)?.key);
      return [...leftPeers(before, items, evidence), ...(after === null ? [] : this.#judge(after, gateway, evidence))];
    });
    return this.#conclude(faults, evidence);
  }

  #judge(item: StateItem, gateway: GatewayItem | null, evidence: Evidence): string[] {
    const fault = faultOf(item, gateway, evidence);
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
    const differences = [...evidence.firewall.differences, ...evidence.hostDifferences, ...faults];
    this.#spoiled = differences.length > 0;
    return differences;
  }
}

/** Never part of a desired state: keeps a system that holds more than it should from having the hash of one that does not. */
const spoil: StateItem = { kind: 'probe', key: 'spoil', id: 'spoil', resource: '', target: '0.0.0.0', port: null };

function foreignPeers(
  items: ReadonlyMap<string, StateItem>,
  gateway: GatewayItem | null,
  { wireguard }: Evidence,
): string[] {
  const devices = isOpen(gateway) ? [...items.values()].filter((item) => item.kind === 'device') : [];
  const expected = new Set(devices.map(({ publicKey }) => publicKey));
  return [...(wireguard?.peers.keys() ?? [])]
    .filter((key) => !expected.has(key))
    .map((key) => `peer ${key} should not be there`);
}

/** The key that a device had before must be gone, unless another device has it now. */
function leftPeers(before: StateItem | null, items: ReadonlyMap<string, StateItem>, { wireguard }: Evidence): string[] {
  if (before?.kind !== 'device' || !wireguard?.peers.has(before.publicKey)) return [];
  for (const item of items.values()) if (item.kind === 'device' && item.publicKey === before.publicKey) return [];
  return [`peer ${before.publicKey} should not be there`];
}

function faultOf(item: StateItem, gateway: GatewayItem | null, evidence: Evidence): string | null {
  const { firewall, wireguard, now } = evidence;
  const open = isOpen(gateway);
  switch (item.kind) {
    case 'gateway':
      return gatewayFault(item, evidence);
    case 'probe':
      return null;
    case 'device': {
      const fault = wireguard === undefined ? null : peerFault(item, wireguard, open);
      if (fault !== null || !open) return fault;
      const over = item.expiresAt !== null && item.expiresAt <= now;
      return over || firewall.devices.has(item.id) ? null : `device ${item.id} is not in the firewall`;
    }
    case 'site': {
      if (!open) return firewall.sites.has(item.id) ? `site ${item.id} is still in the firewall` : null;
      const over = item.expiresAt !== null && item.expiresAt <= now;
      return over || firewall.sites.has(item.id) ? null : `site ${item.id} is not in the firewall`;
    }
    case 'class':
      return firewall.classes.has(item.id) === open ? null : `class ${item.id} is not as wanted`;
    case 'bundle':
      return firewall.bundles.has(item.id) === open ? null : `bundle ${item.id} is not as wanted`;
    case 'profile':
      return firewall.profiles.has(item.id) === open ? null : `profile ${item.id} is not as wanted`;
  }
}

function peerFault(item: DeviceItem, wireguard: DeviceStatus | null, open: boolean): string | null {
  const peer = wireguard?.peers.get(item.publicKey);
  if (!open) return peer === undefined ? null : `device ${item.id} still has a peer`;
  if (peer === undefined) return `device ${item.id} has no peer`;
  return sameSet(peer.allowedIps, allowedIpsOf(item)) ? null : `the peer of device ${item.id} has other addresses`;
}

function gatewayFault(item: GatewayItem, { wireguard, publicKey, firewall }: Evidence): string | null {
  if (wireguard === null) return 'the WireGuard device does not run';
  if (wireguard !== undefined) {
    if (wireguard.publicKey !== publicKey) return 'the WireGuard device has another key';
    if (wireguard.listenPort !== item.listenPort) return `WireGuard does not listen on port ${item.listenPort}`;
  }
  const wanted = firewallSettingsOf(item);
  const { settings } = firewall;
  return settings?.masquerade === wanted.masquerade && settings.draining === wanted.draining
    ? null
    : 'the rules of the firewall are not as wanted';
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text) => b.includes(text));
}
