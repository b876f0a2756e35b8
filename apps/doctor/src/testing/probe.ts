import type { GatewayAgentStatus } from '@sallyport/contract/local';
import type { Place, Probe } from '../types.ts';
import { certificateFiles } from './certificate.ts';

/** Moment of every test, in whole seconds as headers have them. */
export const now = Math.ceil(Date.now() / 1000) * 1000;

/** Files that a controller which is well serves with. */
export const serverFiles = certificateFiles('controller.example.com');

/** A gateway that is well. */
export const place: Place = {
  roles: ['controller', 'gateway', 'device'],
  ...{ dataDir: '/data', gatewayDir: '/gateway', clientDir: '/client', tunnel: 'sallyport0' },
  ...{ controller: 'https://controller.example.com', caFile: null },
  own: { certFile: '/tls.pem', keyFile: '/tls.key', publicUrl: 'https://controller.example.com', beacon: 51818 },
};

/** Status of a gateway that is well. */
export const status: GatewayAgentStatus = {
  ...{ pid: 7, updatedAt: new Date(now).toISOString(), phase: 'live', failure: null, intent: 'ACTIVE', devices: 1 },
  applied: { revision: { epoch: 1, number: 2 } as never, hash: 'h' },
  leaseUntil: new Date(now + 60_000).toISOString(),
  ...{ clockAheadMs: 0, slow: null, notes: [] },
  nat: { kind: 'independent', endpoint: '192.0.2.7:51820' },
};

/** Answer of a controller that is well. */
export const answer = {
  ...{ status: 200, date: new Date(now).toUTCString(), version: '1.2.3' },
  certificateEnds: now + 90 * 86_400_000,
};

/** Bound UDP ports of the beacon, as the kernel lists them. */
export const udpTable =
  '  sl  local_address\n  1: 00000000:CA6A 00000000:0000 07\n  2: 00000000:CA6B 00000000:0000 07\n';

const texts: Readonly<Record<string, string>> = {
  ...{ '/proc/net/udp': udpTable, '/tls.pem': serverFiles.cert, '/tls.key': serverFiles.key },
};

/** A host on which everything is well, but for what `over` says. */
export function probeOf(over: Partial<Probe> = {}): Probe {
  return {
    isRoot: true,
    version: '1.2.3',
    environment: {},
    now: () => now,
    kernel: () => '6.1.0-18-amd64',
    output: async (program) => (program === 'timedatectl' ? 'yes\n' : 'fine'),
    text: async (path) => texts[path] ?? null,
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
