import type { DeviceItem, StateItem } from '@sallyport/contract/channel';
import type { FirewallDelta } from '@sallyport/hostnet';
import type { DeviceChange, PeerChange } from '@sallyport/wireguard';
import type { ItemChange } from '../session/types.ts';
import {
  addressClassOf,
  firewallDeviceOf,
  firewallSettingsOf,
  gatewayOf,
  isOpen,
  type LocalFacts,
  peerOf,
  siteOf,
} from './wanted.ts';

/** Steps of a change, each touching only what differs, to be carried out in this order. */
export interface ChangePlan {
  /** First: one transaction, so that what is granted is granted before its peer can speak, and what is revoked ends at once. */
  readonly firewall: FirewallDelta;
  /** Second. Peers that go come before peers that come. */
  readonly wireguard: DeviceChange;
  /** Third: whether link, addresses, routes and rules have to be looked at. */
  readonly host: boolean;
}

/**
 * What changes of items come to. Null: they turn the whole gateway over (the intent begins or ceases to be OFFLINE, the
 * overlay moves), so everything has to be loaded.
 */
export function planChange(
  changes: readonly ItemChange[],
  items: ReadonlyMap<string, StateItem>,
  leaseUntil: number,
  facts: Pick<LocalFacts, 'endpointOf'>,
): ChangePlan | null {
  const gateway = gatewayOf(items);
  const moved = changes.find(({ before, after }) => (before ?? after)?.kind === 'gateway');
  const before = moved?.before?.kind === 'gateway' ? moved.before : null;
  if (gateway === null || (moved !== undefined && before === null)) return null;
  if (before !== null && (isOpen(before) !== isOpen(gateway) || !sameOverlay(before, gateway))) return null;
  const effective = isOpen(gateway) ? changes : [];
  return {
    firewall: { settings: { ...firewallSettingsOf(gateway), leaseUntil }, ...firewallItems(effective) },
    wireguard: {
      ...(before !== null && before.listenPort !== gateway.listenPort && { listenPort: gateway.listenPort }),
      peers: peerChanges(effective, facts),
    },
    host: before !== null,
  };
}

function sameOverlay(a: { overlay: { v4: string; v6: string } }, b: { overlay: { v4: string; v6: string } }): boolean {
  return a.overlay.v4 === b.overlay.v4 && a.overlay.v6 === b.overlay.v6;
}

function firewallItems(changes: readonly ItemChange[]): Pick<FirewallDelta, 'upsert' | 'remove'> {
  const gone = changes.filter(({ after }) => after === null).flatMap(({ before }) => (before === null ? [] : [before]));
  const come = changes.flatMap(({ after }) => (after === null ? [] : [after]));
  return {
    upsert: {
      devices: ofKind(come, 'device').map(firewallDeviceOf),
      sites: ofKind(come, 'site').map(siteOf),
      classes: ofKind(come, 'class').map(addressClassOf),
      profiles: ofKind(come, 'profile'),
      bundles: ofKind(come, 'bundle'),
    },
    remove: {
      devices: ofKind(gone, 'device').map(({ id }) => id),
      sites: ofKind(gone, 'site').map(({ id }) => id),
      classes: ofKind(gone, 'class').map(({ id }) => id),
      profiles: ofKind(gone, 'profile').map(({ id }) => id),
      bundles: ofKind(gone, 'bundle').map(({ id }) => id),
    },
  };
}

/** A key that moves to another device is set, not removed. Setting takes the addresses from whoever had them. */
function peerChanges(changes: readonly ItemChange[], facts: Pick<LocalFacts, 'endpointOf'>): PeerChange[] {
  const before = changes.flatMap(({ before }) => (before?.kind === 'device' ? [before] : []));
  const after = changes.flatMap(({ after }) => (after?.kind === 'device' ? [after] : []));
  const kept = new Set(after.map(({ publicKey }) => publicKey));
  const known = new Map(before.map((device) => [device.publicKey, device]));
  return [
    ...before
      .filter(({ publicKey }) => !kept.has(publicKey))
      .map(({ publicKey }): PeerChange => ({ kind: 'remove', publicKey })),
    ...after
      .filter((device) => !samePeer(known.get(device.publicKey), device))
      .map((device): PeerChange => ({ kind: 'set', peer: settledPeer(known.get(device.publicKey), device, facts) })),
  ];
}

/** A peer that lives keeps its endpoint, which may have roamed. */
function settledPeer(before: DeviceItem | undefined, device: DeviceItem, facts: Pick<LocalFacts, 'endpointOf'>) {
  return before === undefined ? returningPeer(peerOf(device, facts)) : peerOf(device, { endpointOf: () => undefined });
}

/** Keepalive makes the gateway speak first, so that a device with a dead session recovers in milliseconds. */
export function returningPeer<T extends { readonly endpoint?: string }>(peer: T): T & { persistentKeepalive?: number } {
  return peer.endpoint === undefined ? peer : { ...peer, persistentKeepalive: returnKeepaliveSeconds };
}

/** Until the next sweep turns it off again. */
const returnKeepaliveSeconds = 25;

function samePeer(a: DeviceItem | undefined, b: DeviceItem): boolean {
  return (
    a !== undefined && a.addresses.length === b.addresses.length && a.addresses.every((x) => b.addresses.includes(x))
  );
}

function ofKind<K extends StateItem['kind']>(items: readonly StateItem[], kind: K): Extract<StateItem, { kind: K }>[] {
  return items.filter((item): item is Extract<StateItem, { kind: K }> => item.kind === kind);
}
