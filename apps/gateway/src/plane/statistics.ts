import { gatewayOf, type HeartbeatData, isOpen, isTunnel } from '@sallyport/agent-core';
import type { StateItem } from '@sallyport/contract/channel';
import type { PlaneStatistics } from './data-plane.ts';

/** One reading of traffic. */
export interface Reading extends PlaneStatistics {
  /** Packets relayed between others; null when unknown. */
  readonly relayed: number | null;
}

/** Turns readings into heartbeats, and detects when traffic has ceased. */
export class Statistics {
  #packets: number | null = null;

  heartbeat(
    items: ReadonlyMap<string, StateItem>,
    { device, counters, relayed }: Reading,
    others: Pick<HeartbeatData, 'probes' | 'paths' | 'relays' | 'names'>,
    now: number,
  ): HeartbeatData {
    const policies = [...(counters?.policies ?? [])].map(([policy, count]) => ({ policy, ...count }));
    const packets = counters === null || relayed === null ? null : passed(counters) + relayed;
    const quiet = packets !== null && this.#packets === packets;
    this.#packets = packets;
    const { intent = 'ACTIVE', drainUntil = null } = gatewayOf(items) ?? {};
    const drained = quiet || (drainUntil !== null && now >= drainUntil);
    return {
      ...others,
      peers: peersOf(items, device),
      policies,
      dropped: Object.fromEntries(Object.entries(counters?.drops ?? {}).map(([name, count]) => [name, count.packets])),
      safeToStop: intent === 'OFFLINE' || (intent === 'MAINTENANCE' && drained),
    };
  }
}

/** Returns forwarded packets: of devices and sites, and of hosts behind this gateway to other gateways. */
function passed({ policies, egress }: NonNullable<PlaneStatistics['counters']>): number {
  return [...policies.values()].reduce((sum, { packets }) => sum + packets, egress.packets);
}

/** Returns whether peers are missing or superfluous: a cheap check between sweeps. */
export function hasLostPeers(items: ReadonlyMap<string, StateItem>, device: PlaneStatistics['device']): boolean {
  if (device === null) return true;
  let expected = 0;
  if (isOpen(gatewayOf(items))) {
    for (const item of items.values()) {
      if (!isTunnel(item)) continue;
      if (!device.peers.has(item.publicKey)) return true;
      expected += 1;
    }
  }
  return device.peers.size !== expected;
}

function peersOf(items: ReadonlyMap<string, StateItem>, device: PlaneStatistics['device']): HeartbeatData['peers'] {
  const peers: HeartbeatData['peers'] = [];
  for (const item of items.values()) {
    if (!isTunnel(item) || item.kind === 'beacon') continue;
    const peer = device?.peers.get(item.publicKey);
    if (peer === undefined) continue;
    const { rxBytes, txBytes, lastHandshake, endpoint = null } = peer;
    peers.push({ peer: item.id, rxBytes, txBytes, lastHandshake, endpoint });
  }
  return peers;
}
