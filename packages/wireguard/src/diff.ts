import { canonicalCidr, canonicalEndpoint } from './address.ts';
import { invalid } from './errors.ts';
import { presharedKeyHash, publicKeyOf } from './keys.ts';
import type { DeviceChange, DeviceConfig, DeviceStatus, PeerChange, PeerConfig, PeerStatus } from './types.ts';

/**
 * Returns the smallest change from the current to the desired device. Peers that are already correct are left out, so their
 * sessions and endpoints stay. Removals come first, then peers that lose allowed IPs, then peers that gain some. A moved
 * range is therefore never lost to a later step.
 *
 * An endpoint is set on a new peer, and on a peer without one. An existing peer keeps its current endpoint, because it may
 * have roamed. The exception: `applied` (the last applied configuration) shows that the desired endpoint changed.
 *
 * Throws `invalid` for states that a device can never report, which would cause endless retries: two desired peers that claim
 * the same allowed IPs, and a device that is its own peer.
 */
export function diffDevice(current: DeviceStatus, desired: DeviceConfig, applied?: DeviceConfig): DeviceChange {
  checkDisjoint(desired.peers.values());
  const publicKey = publicKeyOf(desired.privateKey);
  if (desired.peers.has(publicKey)) throw invalid('a device cannot be its own peer');
  const fwmark = desired.fwmark ?? 0;
  return {
    ...(publicKey === current.publicKey ? {} : { privateKey: desired.privateKey }),
    ...(needsPort(current, desired) ? { listenPort: desired.listenPort } : {}),
    ...(fwmark === current.fwmark ? {} : { fwmark }),
    peers: diffPeers(current.peers, desired.peers, applied?.peers),
  };
}

/** Returns whether a change is empty. */
export function isEmptyChange(change: DeviceChange): boolean {
  return (
    change.peers.length === 0 &&
    change.privateKey === undefined &&
    change.listenPort === undefined &&
    change.fwmark === undefined
  );
}

type Peers<T> = ReadonlyMap<string, T>;

/** Returns whether the port differs. Port 0 asks for any port, so any open port is correct. */
function needsPort(current: DeviceStatus, desired: DeviceConfig): boolean {
  return desired.listenPort === 0 ? current.listenPort === 0 : desired.listenPort !== current.listenPort;
}

function diffPeers(current: Peers<PeerStatus>, desired: Peers<PeerConfig>, applied?: Peers<PeerConfig>): PeerChange[] {
  const removed: PeerChange[] = [];
  const losing: PeerChange[] = [];
  const gaining: PeerChange[] = [];
  for (const publicKey of current.keys()) {
    if (!desired.has(publicKey)) removed.push({ kind: 'remove', publicKey });
  }
  for (const [publicKey, peer] of desired) {
    if (publicKey !== peer.publicKey) throw invalid('a peer is stored under the key of another peer');
    const status = current.get(publicKey);
    const step = diffPeer(status, peer, applied?.get(publicKey));
    if (step === null) continue;
    (status !== undefined && losesRange(status, peer) ? losing : gaining).push(step);
  }
  return [...removed, ...losing, ...gaining];
}

function diffPeer(status: PeerStatus | undefined, peer: PeerConfig, applied?: PeerConfig): PeerChange | null {
  if (status === undefined) return { kind: 'set', peer };
  const moves = movesEndpoint(status, peer, applied);
  if (!moves && sameSettings(status, peer)) return null;
  if (moves || peer.endpoint === undefined) return { kind: 'set', peer };
  const { endpoint: _roams, ...rest } = peer;
  return { kind: 'set', peer: rest };
}

function movesEndpoint(status: PeerStatus, peer: PeerConfig, applied?: PeerConfig): boolean {
  if (peer.endpoint === undefined) return false;
  const wanted = canonicalEndpoint(peer.endpoint);
  if (wanted === status.endpoint) return false;
  if (status.endpoint === undefined) return true;
  return applied?.endpoint !== undefined && canonicalEndpoint(applied.endpoint) !== wanted;
}

function sameSettings(status: PeerStatus, peer: PeerConfig): boolean {
  return (
    (status.persistentKeepalive ?? 0) === (peer.persistentKeepalive ?? 0) &&
    (status.presharedKeyHash ?? null) === presharedKeyHash(peer.presharedKey) &&
    sameRanges(status.allowedIps, peer.allowedIps)
  );
}

function sameRanges(left: readonly string[], right: readonly string[]): boolean {
  const wanted = new Set(right.map(canonicalCidr));
  return new Set(left).size === wanted.size && left.every((cidr) => wanted.has(cidr));
}

function losesRange(status: PeerStatus, peer: PeerConfig): boolean {
  const wanted = new Set(peer.allowedIps.map(canonicalCidr));
  return status.allowedIps.some((cidr) => !wanted.has(cidr));
}

function checkDisjoint(peers: Iterable<PeerConfig>): void {
  const owners = new Map<string, string>();
  for (const peer of peers) {
    for (const cidr of peer.allowedIps.map(canonicalCidr)) {
      const owner = owners.get(cidr);
      if (owner !== undefined && owner !== peer.publicKey) {
        throw invalid(`two peers claim ${cidr}: ${owner} and ${peer.publicKey}`);
      }
      owners.set(cidr, peer.publicKey);
    }
  }
}
