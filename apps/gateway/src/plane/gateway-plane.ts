import { gatewayOf, isOpen, type PathInput, Paths, type Work } from '@sallyport/agent-core';
import {
  type AgentPlane,
  type EndpointMemory,
  failureOf,
  type HeartbeatReading,
  LatestWriter,
  type Log,
  type NamingOutcome,
  NetworkWatch,
  PathRunner,
  type PlaneInput,
  type PlaneResult,
  type StateDirectory,
} from '@sallyport/agent-runtime';
import type { ProbeItem, ProbeResult, Punch, StateItem } from '@sallyport/contract/channel';
import { type ForeignChange, type RelayCount, RelayTable } from '@sallyport/hostnet';
import { slowness } from '@sallyport/wireguard';
import { GatewayNames } from '../names/names.ts';
import { PathCheck, type PathVerdict } from '../probing/path-check.ts';
import { Prober } from '../probing/prober.ts';
import { TunnelProbe } from '../probing/tunnel-probe.ts';
import { type UdpPortOf, udpPortsOf } from '../probing/udp-ports.ts';
import { forwardInKernel } from '../relay/kernel.ts';
import { formatLearned, readLearned } from '../relay/memory.ts';
import type { Learned } from '../relay/pair.ts';
import { RelayServer } from '../relay/server.ts';
import { DataPlane, type PlaneOptions } from './data-plane.ts';
import { hasLostPeers, Statistics } from './statistics.ts';

/** Dependencies of a GatewayPlane. */
export interface GatewayPlaneOptions
  extends Omit<PlaneOptions, 'onForeignChange' | 'onHostDrift' | 'onHostChange' | 'path' | 'peerConfig' | 'names'> {
  /** Id of the gateway. */
  readonly gateway: string;
  /** The host's own clock, by which WireGuard dates handshakes; `now` is the controller's time. */
  readonly hostNow: () => number;
  readonly log: Log;
}

type Items = ReadonlyMap<string, StateItem>;

/** The plane of a gateway: the data plane, the paths to its peers, its relay, and the reachability of its resources. */
export class GatewayPlane implements AgentPlane {
  readonly #plane: DataPlane;
  readonly #directory: StateDirectory;
  readonly #endpoints: EndpointMemory;
  readonly #log: Log;
  readonly #statistics = new Statistics();
  readonly #now: () => number;
  readonly #hostNow: () => number;
  readonly #paths: Paths;
  readonly #runner: PathRunner;
  readonly #relayTable: RelayTable;
  readonly #relayWriter: LatestWriter;
  #learned: ReadonlyMap<string, Learned> = new Map();
  #relay: Promise<RelayServer> | null = null;
  #tell: (input: PlaneInput) => void = () => {};
  #desired: () => Items = () => new Map();
  readonly #prober: Prober;
  readonly #names: GatewayNames;
  readonly #pathCheck: PathCheck;
  /** Built from the wanted state on demand. */
  #udpPortOf: UdpPortOf | null = null;
  readonly #interface: string;
  #network: NetworkWatch | null = null;
  #conflicts = '';
  #elsewhereTimer: NodeJS.Timeout | null = null;

  constructor({ log, gateway, ...options }: GatewayPlaneOptions) {
    this.#log = log;
    this.#directory = options.directory;
    this.#endpoints = options.endpoints;
    this.#now = options.now;
    this.#hostNow = options.hostNow;
    this.#interface = options.interface;
    this.#relayTable = new RelayTable(options.interface);
    this.#paths = new Paths({ agent: gateway, remembered: (publicKey) => options.endpoints.of(publicKey) });
    this.#prober = new Prober(
      () => performance.now(),
      (result) => this.#tell({ kind: 'noticed', probes: [result] }),
    );
    this.#names = new GatewayNames({
      directory: options.directory,
      log,
      now: options.now,
      changed: (probes) => this.#namesChanged(probes),
      tell: (input) => this.#tell(input),
    });
    this.#plane = new DataPlane({
      ...options,
      names: this.#names,
      peerConfig: (item) => this.#paths.peerConfig(item),
      onForeignChange: (change) => this.#foreignChange(change),
      onHostDrift: ([first]) => this.#tell({ kind: 'drift', reason: first ?? 'the host changed', cured: true }),
      onHostChange: () => this.#pathCheck.soon(),
      path: () => this.#pathCheck.verdict,
    });
    this.#pathCheck = new PathCheck({
      udpPort: (address) => {
        this.#udpPortOf ??= udpPortsOf(this.#desired().values());
        return this.#udpPortOf(address);
      },
      interface: options.interface,
      probe: new TunnelProbe(
        (publicKey, targets) => this.#plane.admitProbes(publicKey, targets),
        this.#plane.probeRules,
      ),
      gateway: () => {
        const item = gatewayOf(this.#desired());
        return item && { masquerade: item.masquerade, overlay: item.overlay.v4 };
      },
      changed: (verdict) =>
        this.#tell({ kind: 'drift', reason: `the way to the resources: ${wordOf(verdict)}`, cured: true }),
    });
    this.#runner = new PathRunner(this.#paths, {
      apply: (peers) => this.#plane.applyPeers(peers),
      read: () => this.#plane.readDevice(),
      tell: (input) => this.#tell(input),
      changed: () => {},
      log,
    });
    this.#relayWriter = new LatestWriter(
      () => options.directory.write('relay.json', formatLearned(this.#learned)),
      (error) => log.warn('what the relay has learned could not be stored', { reason: failureOf(error).message }),
    );
  }

  get wireguardKind() {
    return this.#plane.wireguardKind;
  }

  get wireguardBuild() {
    return this.#plane.wireguardBuild;
  }

  async detect(): Promise<void> {
    await this.#plane.detect();
    const slow = this.wireguardBuild && slowness(this.wireguardBuild);
    if (slow !== null) this.#log.warn(slow);
  }

  begin(tell: (input: PlaneInput) => void, desired: () => Items, moved: () => void): void {
    this.#tell = tell;
    this.#desired = desired;
    this.#network = new NetworkWatch(this.#interface, () => {
      this.#log.info('the network of this host has changed');
      moved();
      this.#plane.renewFacts().catch((error) => {
        this.#tell({ kind: 'drift', reason: `this host could not be looked at: ${failureOf(error).message}` });
      });
      this.#runner.input({ kind: 'network-changed' });
      this.#pathCheck.soon();
    });
  }

  async perform(work: Work): Promise<PlaneResult> {
    this.#runner.input(pathInput(work));
    this.#udpPortOf = null;
    this.#pathCheck.expect(work.kind === 'close' ? [] : this.#measurable());
    await this.#names.expect(work);
    try {
      const result = await this.#plane.perform(work);
      this.#tellConflicts();
      await this.#names.listen();
      return result;
    } finally {
      // Runs even when the tunnel fails, so that ended pairs are removed.
      this.#prober.expect(work.kind === 'close' ? [] : this.#probeItems());
      const relay = await this.#openRelay();
      // Names may take time to resolve, and access does not depend on the relay.
      void relay.apply(work.kind === 'close' ? new Map() : new Map(work.items));
      if (work.kind === 'load') void relay.check();
      await this.#saveEndpoints();
    }
  }

  async heartbeat(applied: boolean): Promise<HeartbeatReading> {
    const items = this.#desired();
    try {
      const statistics = { ...(await this.#plane.statistics()), relayed: await (await this.#openRelay()).packets() };
      this.#runner.input({ kind: 'status', device: statistics.device });
      const lost = applied && hasLostPeers(items, statistics.device);
      await this.#saveEndpoints();
      return {
        data: this.#statistics.heartbeat(items, statistics, this.#others(), this.#hostNow()),
        drift: lost ? 'WireGuard has not the peers that it should have' : null,
      };
    } catch (error) {
      this.#log.debug('no statistics', { reason: failureOf(error).message });
      const nothing = { device: null, counters: null, relayed: null };
      return { data: this.#statistics.heartbeat(items, nothing, this.#others(), this.#hostNow()), drift: null };
    }
  }

  /** Probes from this host, and then answering targets through the tunnel. */
  async probe(): Promise<readonly ProbeResult[]> {
    const [results, names] = await Promise.all([this.#prober.all(), this.#names.refresh()]);
    const reached = new Set(results.filter(({ reachable }) => reachable).map(({ id }) => id));
    const examined = await this.#pathCheck
      .examine(this.#measurable().filter(({ id }) => reached.has(id)))
      .catch(() => null);
    const blocked = new Set(examined?.blocked.map(({ id }) => id));
    const detail = `It answers the gateway, but not through the tunnel. ${examined?.failure?.message ?? ''}`.slice(
      0,
      300,
    );
    const judged = results.map((result) =>
      blocked.has(result.id) ? { id: result.id, resource: result.resource, reachable: false, detail } : result,
    );
    return [...judged, ...names];
  }

  punch({ peer, endpoints }: Punch): void {
    this.#runner.input({ kind: 'punch', peer, endpoints });
  }

  named(name: string, outcome: NamingOutcome): void {
    this.#names.named(name, outcome);
  }

  async down(): Promise<string[]> {
    // Otherwise a concurrent handshake would create the table again.
    await (await this.#relay)?.apply(new Map());
    const relayed = await this.#relayTable.remove();
    return [...(relayed ? ['nftables table of the relay'] : []), ...(await this.#plane.down())];
  }

  async stop(): Promise<void> {
    this.#network?.close();
    this.#prober.stop();
    this.#pathCheck.stop();
    await this.#names.stop();
    this.#runner.stop();
    await (await this.#relay)?.stop();
    await this.#relayWriter.flush();
    if (this.#elsewhereTimer !== null) clearTimeout(this.#elsewhereTimer);
    await this.#plane.stop();
    await this.#saveEndpoints();
  }

  async #namesChanged(probes: readonly ProbeResult[]): Promise<void> {
    this.#tell({ kind: 'noticed', probes: [...probes] });
    await this.#plane.renewNames().catch((error) => {
      this.#tell({ kind: 'drift', reason: `names could not be translated: ${failureOf(error).message}` });
    });
  }

  /** Reports conflicts that the agent cannot repair, because an administrator must. */
  #tellConflicts(): void {
    const shown = this.#plane.conflicts.join(' ');
    if (shown !== this.#conflicts && shown !== '')
      this.#log.warn('the network of this host is in the way', { what: shown });
    this.#conflicts = shown;
  }

  #others() {
    const probes = [...this.#prober.results, ...this.#names.results];
    const { figures } = this.#names;
    const names = figures === null ? {} : { names: figures };
    return { probes, paths: this.#paths.reports(), relays: [...this.#paths.relays()], ...names };
  }

  #openRelay(): Promise<RelayServer> {
    this.#relay ??= readLearned(this.#directory).then((remembered) => {
      this.#learned = remembered;
      return new RelayServer({
        log: this.#log,
        now: this.#now,
        remembered,
        remember: (learned) => {
          this.#learned = learned;
          this.#relayWriter.request();
        },
        forward: (pairs) => forwardInKernel(this.#relayTable, pairs, this.#now()),
        verify: () => this.#relayTable.verify(this.#now()),
        forwarded: async () => sumOf((await this.#relayTable.counters()).values()),
      });
    });
    return this.#relay;
  }

  #probeItems(): ProbeItem[] {
    return [...this.#desired().values()].filter((item) => item.kind === 'probe');
  }

  /** Returns every destination that devices could reach through the tunnel. */
  #measurable(): ProbeItem[] {
    const gateway = gatewayOf(this.#desired());
    if (!isOpen(gateway)) return [];
    const v6 = gateway.mtu >= leastMtuOfIpv6;
    return this.#probeItems().filter(({ target }) => v6 || !target.includes(':'));
  }

  /** Checks our own table at once. Other rules change often on some hosts, so they are checked together. */
  #foreignChange({ kind, process }: ForeignChange): void {
    const reason = `nftables changed${process === null ? '' : ` by ${process}`}`;
    if (kind !== 'elsewhere') {
      this.#tell({ kind: 'drift', reason });
      return;
    }
    this.#pathCheck.soon();
    this.#elsewhereTimer ??= setTimeout(() => {
      this.#elsewhereTimer = null;
      this.#tell({ kind: 'drift', reason, cured: true });
    }, elsewhereDelayMs).unref();
  }

  async #saveEndpoints(): Promise<void> {
    await this.#endpoints.save(this.#directory).catch((error) => {
      this.#log.warn('the endpoints could not be stored', { reason: failureOf(error).message });
    });
  }
}

function pathInput(work: Work): PathInput {
  return work.kind === 'close' ? { kind: 'closed' } : { kind: 'items', items: work.items };
}

function sumOf(counts: Iterable<RelayCount>): number {
  let packets = 0;
  for (const { fromA, fromB } of counts) packets += fromA.packets + fromB.packets;
  return packets;
}

function wordOf(verdict: PathVerdict): string {
  return typeof verdict === 'object' ? 'blocked' : verdict;
}

const elsewhereDelayMs = 2_000;
const leastMtuOfIpv6 = 1280;
