import { canonicalCidr, canonicalEndpoint, checkLinkName } from '../address.ts';
import { WireGuardError } from '../errors.ts';
import { presharedKeyHash, publicKeyOf } from '../keys.ts';
import type { DeviceChange, DeviceStatus, PeerConfig, PeerStatus, WireGuardBackend } from '../types.ts';
import { encodeSet } from '../uapi.ts';
import { portTaken } from './failures.ts';

/** Options of the memory backend, for tests. */
export interface MemoryBackendOptions {
  /** Ports that count as taken by other programs: `apply` rejects them with `port-taken`. */
  readonly takenPorts?: ReadonlySet<number>;
}

/** Backend without packets, for simulations. It has the rules of real devices: one owner per range, one device per port. */
export function memoryBackend(options: MemoryBackendOptions = {}): WireGuardBackend {
  const devices = new Map<string, MemoryDevice>();
  return {
    kind: 'memory',
    async ensure(name) {
      checkLinkName(name);
      if (!devices.has(name)) devices.set(name, { publicKey: null, listenPort: 0, fwmark: 0, peers: new Map() });
    },
    async read(name) {
      const device = devices.get(checkLinkName(name));
      return device === undefined ? null : snapshot(device);
    },
    async apply(name, change) {
      const device = devices.get(checkLinkName(name));
      if (device === undefined) throw new WireGuardError('not-running', `there is no WireGuard device ${name}`);
      encodeSet(change);
      applyPeers(device, change);
      if (change.listenPort === undefined) return;
      const others = [...devices].filter(([other]) => other !== name).map(([, other]) => other);
      device.listenPort = claimPort(change.listenPort, others, options.takenPorts ?? new Set());
    },
    async remove(name) {
      devices.delete(checkLinkName(name));
    },
  };
}

interface MemoryDevice {
  publicKey: string | null;
  listenPort: number;
  fwmark: number;
  readonly peers: Map<string, PeerStatus>;
}

function snapshot(device: MemoryDevice): DeviceStatus {
  return { ...device, peers: new Map(device.peers) };
}

/** Sets the port. A taken port leaves the device without one, as in wireguard-go. */
function claimPort(port: number, others: readonly MemoryDevice[], taken: ReadonlySet<number>): number {
  const free = (candidate: number) =>
    !taken.has(candidate) && others.every((device) => device.listenPort !== candidate);
  if (port !== 0 && !free(port)) throw portTaken(port);
  let candidate = port === 0 ? FIRST_EPHEMERAL_PORT : port;
  while (!free(candidate)) candidate += 1;
  return candidate;
}

function applyPeers(device: MemoryDevice, change: DeviceChange): void {
  if (change.privateKey !== undefined) device.publicKey = publicKeyOf(change.privateKey);
  if (change.fwmark !== undefined) device.fwmark = change.fwmark;
  for (const step of change.peers) {
    if (step.kind === 'remove') device.peers.delete(step.publicKey);
    else setPeer(device.peers, step.peer);
  }
}

function setPeer(peers: Map<string, PeerStatus>, peer: PeerConfig): void {
  const allowedIps = [...new Set(peer.allowedIps.map(canonicalCidr))];
  for (const [key, other] of peers) {
    const kept = other.allowedIps.filter((cidr) => !allowedIps.includes(cidr));
    if (kept.length < other.allowedIps.length) peers.set(key, { ...other, allowedIps: kept });
  }
  const before = peers.get(peer.publicKey);
  const endpoint = peer.endpoint === undefined ? before?.endpoint : canonicalEndpoint(peer.endpoint);
  const hash = presharedKeyHash(peer.presharedKey);
  peers.set(peer.publicKey, {
    publicKey: peer.publicKey,
    ...(hash === null ? {} : { presharedKeyHash: hash }),
    ...(endpoint === undefined ? {} : { endpoint }),
    allowedIps,
    ...(peer.persistentKeepalive ? { persistentKeepalive: peer.persistentKeepalive } : {}),
    lastHandshake: before?.lastHandshake ?? null,
    rxBytes: before?.rxBytes ?? 0,
    txBytes: before?.txBytes ?? 0,
  });
}

const FIRST_EPHEMERAL_PORT = 32768;
