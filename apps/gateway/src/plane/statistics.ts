import { gatewayOf, type HeartbeatData, isOpen } from '@sallyport/agent-core';
import type { ProbeResult, StateItem } from '@sallyport/contract/channel';
import type { PlaneStatistics } from './data-plane.ts';

/** Turns readings into heartbeats, and tells from one to the next whether traffic has ceased. */
export class Statistics {
  #packets: number | null = null;

  heartbeat(
    items: ReadonlyMap<string, StateItem>,
    { device, counters }: PlaneStatistics,
    probes: readonly ProbeResult[],
  ): HeartbeatData {
    const policies = [...(counters?.policies ?? [])].map(([policy, count]) => ({ policy, ...count }));
    const packets = policies.reduce((sum, { packets }) => sum + packets, 0);
    const quiet = this.#packets === packets;
    this.#packets = packets;
    const intent = gatewayOf(items)?.intent ?? 'ACTIVE';
    return {
      peers: peersOf(items, device),
      policies,
      dropped: Object.fromEntries(Object.entries(counters?.drops ?? {}).map(([name, count]) => [name, count.packets])),
      probes: [...probes],
      paths: [],
      relays: [],
      safeToStop: intent === 'OFFLINE' || (intent === 'MAINTENANCE' && quiet),
    };
  }
}

/** Whether peers are missing or too many: a cheap look between the sweeps. */
export function hasLostPeers(items: ReadonlyMap<string, StateItem>, device: PlaneStatistics['device']): boolean {
  if (device === null) return true;
  let expected = 0;
  if (isOpen(gatewayOf(items))) {
    for (const item of items.values()) {
      if (item.kind !== 'device') continue;
      if (!device.peers.has(item.publicKey)) return true;
      expected += 1;
    }
  }
  return device.peers.size !== expected;
}

function peersOf(items: ReadonlyMap<string, StateItem>, device: PlaneStatistics['device']): HeartbeatData['peers'] {
  const peers: HeartbeatData['peers'] = [];
  for (const item of items.values()) {
    const peer = item.kind === 'device' ? device?.peers.get(item.publicKey) : undefined;
    if (item.kind !== 'device' || peer === undefined) continue;
    const { rxBytes, txBytes, lastHandshake, endpoint = null } = peer;
    peers.push({ peer: item.id, rxBytes, txBytes, lastHandshake, endpoint });
  }
  return peers;
}
