import type { GatewayAgentStatus } from '@sallyport/contract/local';
import type { Place, Probe } from '../types.ts';

/** Moment of every test. */
export const now = Date.UTC(2026, 5, 1, 12);

/** A gateway that is well. */
export const place: Place = {
  roles: ['controller', 'gateway', 'device'],
  ...{ dataDir: '/data', gatewayDir: '/gateway', clientDir: '/client', tunnel: 'sallyport0' },
  ...{ controller: 'https://controller.example.com', caFile: null },
};

/** Status of a gateway that is well. */
export const status: GatewayAgentStatus = {
  ...{ pid: 7, updatedAt: new Date(now).toISOString(), phase: 'live', failure: null, intent: 'ACTIVE', devices: 1 },
  applied: { revision: { epoch: 1, number: 2 } as never, hash: 'h' },
  leaseUntil: new Date(now + 60_000).toISOString(),
  ...{ clockAheadMs: 0, slow: null, notes: [] },
};

/** Answer of a controller that is well. */
export const answer = {
  ...{ status: 200, date: new Date(now).toUTCString(), version: '1.2.3' },
  certificateEnds: now + 90 * 86_400_000,
};

/** Bound UDP ports of the beacon, as the kernel lists them. */
export const udpTable =
  '  sl  local_address\n  1: 00000000:CA6A 00000000:0000 07\n  2: 00000000:CA6B 00000000:0000 07\n';

/** A host on which everything is well, but for what `over` says. */
export function probeOf(over: Partial<Probe> = {}): Probe {
  return {
    isRoot: true,
    version: '1.2.3',
    now: () => now,
    kernel: () => '6.1.0-18-amd64',
    output: async () => 'fine',
    text: async (path) => (path === '/proc/net/udp' ? udpTable : null),
    stats: async (path) => (path === '/data/operator.sock' ? { mode: 0o600, uid: 0 } : null),
    space: async () => ({ bytes: 50e9, files: 1000 }),
    backend: async () => ({ kind: 'kernel', slow: null }),
    foreignDrops: async () => [],
    addresses: async () => ['192.0.2.1'],
    ask: async () => answer,
    agent: async () => 7,
    gatewayStatus: async () => status,
    uplink: async () => ({ name: 'eth0', mtu: 1500 }),
    netcheck: async () => [],
    ...over,
  };
}
