import { gatewayOf, type HeartbeatData } from '@sallyport/agent-core';
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
      safeToStop: intent === 'OFFLINE' || (intent === 'MAINTENANCE' && quiet),
    };
  }
}

function peersOf(items: ReadonlyMap<string, StateItem>, device: PlaneStatistics['device']): HeartbeatData['peers'] {
  const peers: HeartbeatData['peers'] = [];
  for (const item of items.values()) {
    const peer = item.kind === 'device' ? device?.peers.get(item.publicKey) : undefined;
    if (item.kind !== 'device' || peer === undefined) continue;
    const { rxBytes, txBytes, lastHandshake, endpoint = null } = peer;
    peers.push({ device: item.id, rxBytes, txBytes, lastHandshake, endpoint });
  }
  return peers;
}
