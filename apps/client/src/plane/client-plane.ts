import { Paths, type PathsView, type Work } from '@sallyport/agent-core';
import {
  type AgentPlane,
  type EndpointMemory,
  failureOf,
  type HeartbeatReading,
  type Log,
  NetworkWatch,
  PathRunner,
  type PlaneInput,
  type PlaneResult,
  type StateDirectory,
} from '@sallyport/agent-runtime';
import type { PeerItem, ProbeResult, Punch, StateItem } from '@sallyport/contract/channel';
import { type DeviceStatus, slowness } from '@sallyport/wireguard';
import type { DnsChoice } from '../names/host-dns.ts';
import { ClientNames, type NamesReport, type NameTrace } from '../names/names.ts';
import { MtuWatch, type PathMtu } from '../netcheck/mtu-watch.ts';
import { mtuTargets } from '../netcheck/path-mtu.ts';
import type { Facts } from '../posture/read.ts';
import type { Contests } from './host-side.ts';
import { Tunnel, type TunnelOptions } from './tunnel.ts';

/** Dependencies of a ClientPlane. */
export interface ClientPlaneOptions
  extends Pick<
    TunnelOptions,
    'interface' | 'wireguard' | 'wireguardGo' | 'privateKey' | 'directory' | 'endpoints' | 'now' | 'direct'
  > {
  /** Id of the device. */
  readonly device: string;
  /** Reads the current facts about this machine. */
  readonly readPosture: () => Promise<Facts>;
  /** How names of resources resolve on this host. */
  readonly dns: DnsChoice;
  /** Host name or address of the controller, in lower case. */
  readonly controllerHost: string;
  readonly log: Log;
}

type Items = ReadonlyMap<string, StateItem>;

/** The data plane of a native device: one tunnel, and the paths to the gateways at its far end. */
export class ClientPlane implements AgentPlane {
  readonly #options: ClientPlaneOptions;
  readonly #log: Log;
  readonly #directory: StateDirectory;
  readonly #endpoints: EndpointMemory;
  readonly #paths: Paths;
  readonly #runner: PathRunner;
  readonly #tunnel: Tunnel;
  readonly #names: ClientNames;
  #tell: (input: PlaneInput) => void = () => {};
  #desired: () => Items = () => new Map();
  #facts: Facts = {};
  #postureTimer: NodeJS.Timeout | null = null;
  #network: NetworkWatch | null = null;
  readonly #mtus = new MtuWatch({ targets: () => mtuTargets(this.view, this.#desired()) });

  constructor({ readPosture, log, device, dns, ...options }: ClientPlaneOptions) {
    this.#options = { readPosture, log, device, dns, ...options };
    this.#log = log;
    this.#directory = options.directory;
    this.#endpoints = options.endpoints;
    this.#paths = new Paths({
      agent: device,
      remembered: (publicKey) => options.endpoints.of(publicKey),
      watchesRoutes: true,
    });
    this.#names = new ClientNames({
      log,
      view: () => this.view,
      interface: options.interface,
      dns,
      controllerHost: options.controllerHost,
      turned: () => this.#namesTurned(),
    });
    this.#tunnel = new Tunnel({
      ...options,
      peerConfig: (item) => this.#paths.peerConfig(item),
      coming: (items, found) => {
        this.#runner.input({ kind: 'status', device: found });
        this.#runner.input({ kind: 'items', items });
      },
      closing: () => this.#runner.input({ kind: 'closed' }),
      closesResolvers: () => this.#names.report.all,
      onHostDrift: ([first]) => this.#tell({ kind: 'drift', reason: first ?? 'the host changed' }),
    });
    this.#runner = new PathRunner(this.#paths, {
      apply: (peers) => this.#tunnel.apply(peers),
      read: () => this.#tunnel.read(),
      traffic: (prefixes, apart) => this.#tunnel.traffic(prefixes, apart),
      tell: (input) => this.#tell(input),
      changed: () => {},
      log,
    });
  }

  get wireguardKind() {
    return this.#tunnel.wireguardKind;
  }

  /** Current gateways and routes. */
  get view(): PathsView {
    return this.#paths.view();
  }

  /** Facts as last read. */
  get facts(): Facts {
    return this.#facts;
  }

  /** How names of resources resolve on this host. */
  get names(): NamesReport {
    return this.#names.report;
  }

  /** Returns how a host name is treated on this host. */
  trace(name: string): Promise<NameTrace> {
    return this.#names.trace(name);
  }

  /** Conflicts of the host's own network with the tunnel's prefixes, as data and as text. */
  get contests(): Contests {
    return this.#tunnel.contests;
  }

  /** Bytes that the path to each measured gateway carries in the tunnel, by id; null when unknown. */
  get pathMtus(): ReadonlyMap<string, number | null> {
    return this.#mtus.carries;
  }

  /** Measures the path MTUs now. */
  measurePathMtus(): Promise<PathMtu[]> {
    return this.#mtus.measureNow();
  }

  async detect(): Promise<void> {
    await this.#tunnel.detect();
    const slow = this.#tunnel.wireguardBuild && slowness(this.#tunnel.wireguardBuild);
    if (slow !== null) this.#log.warn(slow);
  }

  begin(tell: (input: PlaneInput) => void, desired: () => Items, moved: () => void): void {
    this.#tell = tell;
    this.#desired = desired;
    void this.readPosture();
    this.#postureTimer = setInterval(() => void this.readPosture(), postureEveryMs).unref();
    this.#mtus.start();
    this.#network = new NetworkWatch(this.#options.interface, () => void this.#networkChanged(moved));
  }

  /** The resolvers of local networks are closed or open now. */
  #namesTurned(): void {
    this.#tell({ kind: 'drift', reason: 'names of this host go another way' });
  }

  /** Called when destinations outside of the tunnel changed. */
  directChanged(): void {
    this.#tell({ kind: 'drift', reason: 'the controller’s address changed' });
  }

  /** Reads the facts; the session reports a change to the controller. Does not reject. */
  async readPosture(): Promise<void> {
    try {
      this.#facts = await this.#options.readPosture();
      this.#tell({ kind: 'posture', facts: this.#facts });
    } catch (error) {
      this.#log.warn('the facts about this device could not be read', { reason: failureOf(error).message });
    }
  }

  async perform(work: Work): Promise<PlaneResult> {
    const result = await this.#tunnel.perform(work);
    await this.#names.apply(work);
    void this.#saveEndpoints();
    return result;
  }

  async heartbeat(applied: boolean): Promise<HeartbeatReading> {
    const device = await this.#tunnel.read().catch(() => null);
    await this.#saveEndpoints();
    const peers = peersOf(this.#desired());
    const statistics = peers.flatMap(({ id, publicKey }) => {
      const peer = device?.peers.get(publicKey);
      if (peer === undefined) return [];
      const { rxBytes, txBytes, lastHandshake, endpoint = null } = peer;
      return [{ peer: id, rxBytes, txBytes, lastHandshake, endpoint }];
    });
    const paths = this.#paths.reports();
    const relays = [...this.#paths.relays()];
    return {
      data: { peers: statistics, policies: [], dropped: {}, probes: [], paths, relays, safeToStop: false },
      drift: applied ? lostPeer(peers, device) : null,
    };
  }

  /** Returns the last handshake of each WireGuard peer, by public key, in epoch milliseconds. */
  async handshakes(): Promise<ReadonlyMap<string, number | null>> {
    const device = await this.#tunnel.read().catch(() => null);
    return new Map([...(device?.peers ?? [])].map(([key, { lastHandshake }]) => [key, lastHandshake]));
  }

  /** A device has no resources of its own. */
  async probe(): Promise<readonly ProbeResult[]> {
    return [];
  }

  punch({ peer, endpoints }: Punch): void {
    this.#runner.input({ kind: 'punch', peer, endpoints });
  }

  async down(): Promise<string[]> {
    await this.#names.stop();
    return this.#tunnel.down();
  }

  async stop(): Promise<void> {
    if (this.#postureTimer !== null) clearInterval(this.#postureTimer);
    this.#network?.close();
    this.#mtus.stop();
    this.#runner.stop();
    await this.#names.stop();
    await this.#tunnel.stop();
    await this.#saveEndpoints();
  }

  async #networkChanged(moved: () => void): Promise<void> {
    this.#log.info('the network of this host has changed');
    moved();
    await this.#tunnel.refreshEndpoints().catch((error) => {
      this.#log.warn('the endpoints could not be refreshed', { reason: failureOf(error).message });
    });
    this.#runner.input({ kind: 'network-changed' });
    void this.#names.check();
  }

  async #saveEndpoints(): Promise<void> {
    await this.#endpoints.save(this.#directory).catch((error) => {
      this.#log.warn('the endpoints could not be stored', { reason: failureOf(error).message });
    });
  }
}

const postureEveryMs = 60_000;

function peersOf(items: Items): PeerItem[] {
  return [...items.values()].filter((item) => item.kind === 'peer');
}

/**
 * Reports lost peers between sweeps. A peer that is being recreated may be missing for a moment, and a dead device has
 * none.
 */
function lostPeer(peers: readonly PeerItem[], device: DeviceStatus | null): string | null {
  if (device === null) return 'WireGuard does not answer';
  const lost = peers.find(({ publicKey }) => !device.peers.has(publicKey));
  return lost === undefined ? null : `WireGuard has no peer for gateway ${lost.name}`;
}
