import type { DeviceChange, DeviceStatus, PeerConfig, PeerStatus } from '@sallyport/wireguard';

/** Describes a change of a shared peer as text that follows the name of the peer; null: no change. */
export type PeerDrift = (before: PeerStatus, wanted: PeerConfig) => string | null;

/** Returns a sentence for each foreign change of a device, derived from the change that reverts it. */
export function deviceDrift(change: DeviceChange, before: DeviceStatus, peerDrift: PeerDrift = () => null): string[] {
  return [
    ...(change.privateKey === undefined ? [] : ['WireGuard had another key']),
    ...(change.listenPort === undefined ? [] : ['WireGuard listened on another port']),
    ...(change.fwmark === undefined ? [] : ['WireGuard marked its packets differently']),
    ...change.peers.flatMap((step) => {
      if (step.kind === 'remove') return [`peer ${step.publicKey} was not ours`];
      const { publicKey } = step.peer;
      const peer = before.peers.get(publicKey);
      if (peer === undefined) return [`peer ${publicKey} was missing`];
      const words = peerDrift(peer, step.peer);
      return words === null ? [] : [`peer ${publicKey} ${words}`];
    }),
  ];
}
