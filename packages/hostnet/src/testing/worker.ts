/** Runs inside one network namespace, and performs a test's requests from the process channel. */
import type { ChildProcess } from 'node:child_process';
import dgram from 'node:dgram';
import diagnostics from 'node:diagnostics_channel';
import net from 'node:net';
import type { FirewallOptions } from '../firewall/ruleset.ts';
import type { FirewallDelta } from '../firewall/state.ts';
import type { SysctlChange } from '../host/sysctls.ts';
import { ClientHost } from '../system/client-host.ts';
import { Firewall } from '../system/firewall.ts';
import { flowsTo } from '../system/flows.ts';
import { findForeignDrops } from '../system/foreign.ts';
import { Host } from '../system/host.ts';
import type { HostWatch } from '../system/host-watch.ts';
import { RelayTable } from '../system/relay.ts';
import type { ForeignChange, Watch } from '../system/watch.ts';
import type { ClientHostState, FirewallState, HostState, RelayPair } from '../types.ts';

let firewall: Firewall | null = null;
let watch: Watch | null = null;
const changes: ForeignChange[] = [];
const host = new Host();
const kept: SysctlChange[] = [];
let hostWatch: HostWatch | null = null;
const rethrow = (error: unknown): never => {
  throw error;
};
let hostReports = 0;
const client = new ClientHost();
const programs: ChildProcess[] = [];
diagnostics.subscribe('child_process', (message) => {
  programs.push((message as { process: ChildProcess }).process);
});
const relay = new RelayTable('sp0');
const sockets = new Map<string, dgram.Socket>();
const arrived = new Map<string, Datagram[]>();
const flows = new Map<string, net.Socket>();
const connecting = new Set<net.Socket>();
const asking = new Set<() => void>();
const received = new Map<string, string>();
const ended = new Map<string, string>();

function wall(): Firewall {
  if (!firewall) throw new Error('no firewall');
  return firewall;
}

export const methods = {
  firewall: async (options: FirewallOptions) => void (firewall = new Firewall(options)),
  preflight: () => wall().preflight(),
  load: (state: FirewallState, now: number) => wall().load(state, now),
  change: (delta: FirewallDelta, now: number) => wall().change(delta, now),
  readBack: (now: number) => wall().readBack(now),
  readBackTouched: (now: number) => wall().readBackTouched(now),
  counters: () => wall().counters(),
  remove: () => wall().remove(),
  watch: async () => void (watch = await wall().watch((change) => void changes.push(change), rethrow)),
  unwatch: async () => watch?.close(),
  foreignChanges: async () => [...changes],
  foreignDrops: (name: string) => findForeignDrops(name),
  flowsTo: async (addresses: readonly string[]) => [...(await flowsTo(new Set(addresses)))].sort(),
  hostPreflight: () => host.preflight(),
  hostUp: (state: HostState) => host.up(state, async (sysctls) => void kept.push(...sysctls)),
  hostKept: async () => kept.splice(0),
  hostWatch: async (state: HostState) => {
    hostWatch = host.watch(state, () => void hostReports++, rethrow);
  },
  hostUnwatch: async () => hostWatch?.close(),
  hostReports: async () => hostReports,
  hostFacts: (tunnel: string, changed: readonly SysctlChange[]) => host.facts(tunnel, changed),
  hostVerify: (state: HostState) => host.verify(state),
  hostDown: (state: HostState, sysctls: readonly SysctlChange[]) => host.down(state, sysctls),
  serve,
  serveTicks,
  open,
  say,
  heard: async (id: string) => received.get(id) ?? '',
  ended: async (id: string) => ended.get(id) ?? null,
  close: async (id: string) => void flows.get(id)?.destroy(),
  ask,
  abandon,
  clientPreflight: () => client.preflight(),
  clientUp: (state: ClientHostState) => client.up(state, async (sysctls) => void kept.push(...sysctls)),
  clientChange: (state: ClientHostState) => client.change(state, async (sysctls) => void kept.push(...sysctls)),
  clientVerify: async (state: ClientHostState) => (await client.look(state)).differences,
  clientLook: (state: ClientHostState) => client.look(state),
  clientDrops: (name: string) => client.drops(name),
  clientDown: (state: ClientHostState, sysctls: readonly SysctlChange[]) => client.down(state, sysctls),
  clientWatch: async (state: ClientHostState) => {
    hostWatch = client.watch(state, () => void hostReports++, rethrow);
  },
  clientUnwatch: async () => hostWatch?.close(),
  /** Follows another state, as `HostFollower` does. */
  clientFollow: async (state: ClientHostState) => {
    const before = hostWatch;
    hostWatch = client.watch(state, () => void hostReports++, rethrow);
    await before?.close();
  },
  /** Programs that this process has started so far. */
  programs: async () =>
    programs.map(({ pid = 0, spawnargs, exitCode, signalCode }) => ({
      ...{ pid, command: spawnargs.join(' ') },
      runs: exitCode === null && signalCode === null,
    })),
  relayApply: (pairs: readonly RelayPair[], now: number) => relay.apply(pairs, now),
  relayCounters: () => relay.counters(),
  relayVerify: (now: number) => relay.verify(now),
  relayObstacles: () => relay.obstacles(),
  relayRemove: () => relay.remove(),
  bind,
  send,
  datagrams: async (id: string) => arrived.get(id) ?? [],
};
export type Methods = typeof methods;

/** Starts echo services over TCP and UDP on all addresses of both families. */
async function serve(port: number): Promise<void> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(port, '::', resolve));
  for (const type of ['udp4', 'udp6'] as const) {
    const socket = dgram.createSocket({ type, ipv6Only: type === 'udp6' });
    socket.on('message', (data, from) => socket.send(data, from.port, from.address));
    await new Promise<void>((resolve) => socket.bind(port, resolve));
  }
}

/** Starts a service that sends a dot every few milliseconds to each connected client. */
async function serveTicks(port: number): Promise<void> {
  const server = net.createServer((socket) => {
    const timer = setInterval(() => socket.write('.'), 5);
    socket.on('error', () => {});
    socket.on('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => server.listen(port, '::', resolve));
}

/** Begins to connect. Resolves when connected; rejects on an error such as ICMP unreachable. */
function open(id: string, address: string, port: number, localAddress?: string): Promise<void> {
  const socket = net.connect({ host: address, port, ...(localAddress ? { localAddress } : {}) });
  flows.set(id, socket);
  connecting.add(socket);
  received.set(id, '');
  socket.on('data', (data) => received.set(id, received.get(id) + data.toString()));
  for (const event of ['connect', 'close']) socket.on(event, () => connecting.delete(socket));
  socket.on('close', () => ended.set(id, 'closed'));
  return new Promise((resolve, reject) => {
    socket.on('connect', resolve);
    socket.on('error', (error) => {
      ended.set(id, error.message);
      reject(error);
    });
  });
}

/** Ends pending requests, so that they send nothing later. */
async function abandon(): Promise<void> {
  for (const socket of connecting) socket.destroy();
  for (const end of asking) end();
}

async function say(id: string, text: string): Promise<void> {
  flows.get(id)?.write(text);
}

/** Sends a datagram and resolves with the echo. Repeats until then, because UDP may lose it. */
function ask(address: string, port: number, text: string, localAddress?: string): Promise<string> {
  const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
  return new Promise((resolve, reject) => {
    const send = (): void => socket.send(text, port, address);
    const timer = setInterval(send, 200);
    const finish = (): void => {
      asking.delete(finish);
      clearInterval(timer);
      socket.close();
    };
    asking.add(finish);
    socket.on('message', (data) => {
      finish();
      resolve(data.toString());
    });
    socket.on('error', (error) => {
      finish();
      reject(error);
    });
    socket.bind(0, localAddress, send);
  });
}

export interface Datagram {
  readonly from: string;
  readonly port: number;
  readonly hex: string;
}

/** Opens a UDP socket that records received datagrams. */
async function bind(id: string, address: string, port: number): Promise<void> {
  const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const datagrams: Datagram[] = [];
  sockets.set(id, socket);
  arrived.set(id, datagrams);
  socket.on('message', (data, from) =>
    datagrams.push({ from: from.address, port: from.port, hex: data.toString('hex') }),
  );
  await new Promise<void>((resolve) => socket.bind(port, address, resolve));
}

async function send(id: string, hex: string, address: string, port: number): Promise<void> {
  await new Promise((resolve) => sockets.get(id)?.send(Buffer.from(hex, 'hex'), port, address, resolve));
}

process.on('message', (message) => {
  const { id, method, args } = message as { id: number; method: keyof Methods; args: unknown[] };
  const call = methods[method] as (...args: unknown[]) => Promise<unknown>;
  Promise.resolve()
    .then(() => call(...args))
    .then(
      (value) => process.send?.({ id, value }),
      (error: Error & { code?: string; hint?: string }) =>
        process.send?.({ id, error: { message: error.message, code: error.code, hint: error.hint } }),
    );
});
process.on('disconnect', () => process.exit());
process.send?.({ ready: true });
