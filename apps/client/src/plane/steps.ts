import { isTunnel, type PeerSource } from '@sallyport/agent-core';
import type { StateItem } from '@sallyport/contract/channel';
import type { PeerChange } from '@sallyport/wireguard';

/**
 * Steps that were decided before these items were put in force, as they are right now: a peer that has gone since stays gone,
 * and every other one has the prefixes that it carries by now.
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
