import { isTunnel, type PeerSource } from '@sallyport/agent-core';
import type { StateItem } from '@sallyport/contract/channel';
import type { PeerChange } from '@sallyport/wireguard';

/**
 * Adapts decided steps to the items that are now in force. A peer that was removed meanwhile stays removed, and every
 * other peer gets its current prefixes.
 */
export function currentSteps(
  steps: readonly PeerChange[],
  items: ReadonlyMap<string, StateItem>,
  peerConfig: PeerSource,
): PeerChange[] {
  const tunnels = [...items.values()].filter((item) => isTunnel(item));
  const byKey = new Map(tunnels.map((item) => [item.publicKey, item]));
  return steps.flatMap((step): PeerChange[] => {
    if (step.kind === 'remove') return [step];
    const item = byKey.get(step.peer.publicKey);
    return item === undefined ? [] : [{ kind: 'set', peer: { ...step.peer, allowedIps: peerConfig(item).allowedIps } }];
  });
}
