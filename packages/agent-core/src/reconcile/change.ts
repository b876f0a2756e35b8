import type { GatewayItem, PeerItem, StateItem } from '@sallyport/contract/channel';
import type { FirewallDelta } from '@sallyport/hostnet';
import type { DeviceChange, PeerChange, PeerConfig } from '@sallyport/wireguard';
import type { ItemChange } from '../session/types.ts';
import {
  addressClassOf,
  allowedIpsOf,
  closesAt,
  firewallSettingsOf,
  gatewayOf,
  isInternet,
  isOpen,
  isTunnel,
  leadsOnward,
  memberAddresses,
  overlayBlock,
  type PeerSource,
  prefixOf,
  type TunnelItem,
} from './wanted.ts';

type Items = ReadonlyMap<string, StateItem>;

/** Steps of a change, in order of execution. Each step touches only differences. */
export interface ChangePlan {
  /** First, in one transaction: grants exist before their peer can send, and revoked access ends at once. */
  readonly firewall: FirewallDelta;
  /** Second: removed peers come before new peers. */
  readonly wireguard: DeviceChange;
  /** Third: whether link, addresses, routes and rules need a check. */
  readonly host: boolean;
}

/**
 * Returns the steps for changed items. Returns null if everything must be loaded, because the intent changes to or from
 * OFFLINE, or the overlay changes.
 */
export function planChange(
  changes: readonly ItemChange[],
  items: Items,
  leaseUntil: number,
  peerConfig: PeerSource,
): ChangePlan | null {
  const gateway = gatewayOf(items);
  const moved = changes.find(({ before, after }) => (before ?? after)?.kind === 'gateway');
  const before = moved?.before?.kind === 'gateway' ? moved.before : null;
  if (gateway === null || (moved !== undefined && before === null)) return null;
  if (before !== null && (isOpen(before) !== isOpen(gateway) || !sameOverlay(before, gateway))) return null;
  const effective = isOpen(gateway) ? changes : [];
  return {
    firewall: {
      settings: { ...firewallSettingsOf(gateway), leaseUntil: closesAt(gateway, leaseUntil) },
      ...firewallItems(effective),
    },
    wireguard: {
      ...(before !== null && before.listenPort !== gateway.listenPort && { listenPort: gateway.listenPort }),
      peers: peerChanges(effective, items, peerConfig),
    },
    host: before !== null || effective.some(movesRoutes) || movesMembers(effective, items),
  };
}

function sameOverlay(
  { overlay: a }: Pick<GatewayItem, 'overlay'>,
  { overlay: b }: Pick<GatewayItem, 'overlay'>,
): boolean {
  return a.v4 === b.v4 && a.v6 === b.v6 && a.names === b.names;
}

function firewallItems(changes: readonly ItemChange[]): Pick<FirewallDelta, 'upsert' | 'remove'> {
  const gone = changes.filter(({ after }) => after === null).flatMap(({ before }) => (before === null ? [] : [before]));
  const come = changes.flatMap(({ after }) => (after === null ? [] : [after]));
  return {
    upsert: {
      devices: ofKind(come, 'device'),
      sites: ofKind(come, 'site'),
      gateways: ofKind(come, 'peer'),
      egress: ofKind(come, 'egress'),
      classes: ofKind(come, 'class').map(addressClassOf),
      profiles: ofKind(come, 'profile'),
      bundles: ofKind(come, 'bundle'),
    },
    remove: {
      devices: ofKind(gone, 'device').map(({ id }) => id),
      sites: ofKind(gone, 'site').map(({ id }) => id),
      gateways: ofKind(gone, 'peer').map(({ id }) => id),
      egress: ofKind(gone, 'egress').map(({ id }) => id),
      classes: ofKind(gone, 'class').map(({ id }) => id),
      profiles: ofKind(gone, 'profile').map(({ id }) => id),
      bundles: ofKind(gone, 'bundle').map(({ id }) => id),
    },
  };
}

/**
 * Returns the steps for removed, new and changed peers, in this order. A key that moves to another item is set, not removed.
 * Setting an address removes it from its previous peer.
 */
export function peerChanges(changes: readonly ItemChange[], items: Items, peerConfig: PeerSource): PeerChange[] {
  const before = changes.flatMap(({ before }) => (before !== null && isTunnel(before) ? [before] : []));
  const after = changes.flatMap(({ after }) => (after !== null && isTunnel(after) ? [after] : []));
  const kept = new Set(after.map(({ publicKey }) => publicKey));
  const known = new Map(before.map((item) => [item.publicKey, item]));
  const carrying = new Map(carriers(changes, items).map((item) => [item.publicKey, item]));
  const others = [...carrying.values()].filter(({ publicKey }) => !kept.has(publicKey));
  return [
    ...before
      .filter(({ publicKey }) => !kept.has(publicKey))
      .map(({ publicKey }): PeerChange => ({ kind: 'remove', publicKey })),
    ...after
      .filter((item) => !samePeer(known.get(item.publicKey), item) || carrying.has(item.publicKey))
      .map((item): PeerChange => ({ kind: 'set', peer: settledPeer(known.get(item.publicKey), item, peerConfig) })),
    ...others.map((item): PeerChange => ({ kind: 'set', peer: settledPeer(item, item, peerConfig) })),
  ];
}

/** Returns the peers that carry or carried a changed route. */
function carriers(changes: readonly ItemChange[], items: Items): PeerItem[] {
  const routes = changes.flatMap(({ before, after }) => [before, after]).filter((item) => item?.kind === 'route');
  const gateways = new Set(routes.flatMap((route) => route?.gateways ?? []));
  return [...gateways].flatMap((id) => {
    const item = items.get(`peer/${id}`);
    return item?.kind === 'peer' ? [item] : [];
  });
}

/** Returns whether the set of used overlay blocks changes. */
function movesMembers(changes: readonly ItemChange[], items: Items): boolean {
  const moved = changes.filter(({ before, after }) => blocksOf(before).join() !== blocksOf(after).join());
  const blocks = new Set(moved.flatMap(({ before, after }) => [...blocksOf(before), ...blocksOf(after)]));
  const touched = new Set(moved.flatMap(({ before, after }) => [before?.key ?? '', after?.key ?? '']));
  for (const item of items.values()) {
    if (blocks.size === 0) return false;
    if (!touched.has(item.key)) for (const block of blocksOf(item)) blocks.delete(block);
  }
  return blocks.size > 0;
}

const blocksOf = (item: StateItem | null): string[] => (item === null ? [] : memberAddresses(item).map(overlayBlock));

/** Returns whether link, addresses, routes or rules depend on the item. */
export function movesRoutes({ before, after }: ItemChange): boolean {
  return routesText(before) !== routesText(after);
}

function routesText(item: StateItem | null): string {
  switch (item?.kind) {
    case 'route':
      return `${prefixOf(item)}${isInternet(item) ? ' internet' : ''}`;
    case 'peer':
      return [...item.sources, ...item.addresses].sort().join();
    case 'egress':
      return [...item.destinations].sort().join();
    case 'profile':
      return leadsOnward(item) ? 'onward' : '';
    case undefined:
    // The caller checks these two completely.
    case 'gateway':
    case 'client':
    case 'device':
    case 'site':
    case 'class':
    case 'bundle':
    case 'probe':
    case 'beacon':
    case 'resource':
    case 'relay-point':
    case 'relay':
    case 'name':
      return '';
  }
}

/** An existing peer keeps its endpoint, which may have roamed. */
function settledPeer(before: TunnelItem | undefined, item: TunnelItem, peerConfig: PeerSource): PeerConfig {
  const peer = peerConfig(item);
  if (before === undefined) return item.kind === 'device' ? returningPeer(peer) : peer;
  const { endpoint: _roams, ...rest } = peer;
  return rest;
}

/** A keepalive makes the gateway send first, so that a device with a dead session recovers in milliseconds. */
export function returningPeer<T extends { readonly endpoint?: string }>(peer: T): T & { persistentKeepalive?: number } {
  return peer.endpoint === undefined ? peer : { ...peer, persistentKeepalive: returnKeepaliveSeconds };
}

/** The next sweep turns the keepalive off. */
const returnKeepaliveSeconds = 25;

/** Compares peers without endpoints, because path finding owns the endpoints. */
function samePeer(a: TunnelItem | undefined, b: TunnelItem): boolean {
  if (a === undefined || a.kind !== b.kind) return false;
  const [left, right] = [allowedIpsOf(a), allowedIpsOf(b)];
  return left.length === right.length && left.every((prefix) => right.includes(prefix));
}

function ofKind<K extends StateItem['kind']>(items: readonly StateItem[], kind: K): Extract<StateItem, { kind: K }>[] {
  return items.filter((item): item is Extract<StateItem, { kind: K }> => item.kind === kind);
}
