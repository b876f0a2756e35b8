import { canonicalCidr, canonicalEndpoint } from './address.ts';
import { invalid } from './errors.ts';
import { presharedKeyHash, publicKeyOf } from './keys.ts';
import type { DeviceChange, DeviceConfig, DeviceStatus, PeerChange, PeerConfig, PeerStatus } from './types.ts';

/**
 * The smallest change from what is to what shall be. Peers that already are as desired are not mentioned, so their sessions
 * and endpoints go on. Removals come first, then peers that give up allowed IPs, then those that gain some: a moved range
 * is taken before it is given, and is never lost to a later step.
 *
 * An endpoint is set on a new peer, and on one that has none. On a living peer the present endpoint wins, because it may
 * have roamed, unless `applied` (the configuration that was applied last) shows that the desired endpoint itself changed.
 *
 * Throws `invalid` for what a device would never report back, so that it would be tried for ever: two desired peers that claim
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

/** Whether there is nothing to do. */
export function isEmptyChange(change: DeviceChange): boolean {
  return (
    change.peers.length === 0 &&
    change.privateKey === undefined &&
    change.listenPort === undefined &&
    change.fwmark === undefined
  );
}

type Peers<T> = ReadonlyMap<string, T>;

/** Port 0 asks for any port, so any port that is open will do. */
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
    if (publicKey !== peer.publicKey) throw invalid('a peer is filed under a key that is not its own');
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
