import {
  deviceConfigOf,
  gatewayOf,
  hostStateOf,
  InForce,
  type ItemChange,
  isOpen,
  type LocalFacts,
  type PeerSource,
  planChange,
  returningPeer,
  type Work,
} from '@sallyport/agent-core';
import {
  AgentError,
  deviceDrift,
  emptyDevice,
  failureOf,
  Mutex,
  type PlaneResult,
  type StateDirectory,
  TunnelDevice,
  type TunnelDeviceOptions,
  undonePhrases,
} from '@sallyport/agent-runtime';
import type { StateItem } from '@sallyport/contract/channel';
import { type ForeignChange, type FoundFirewall, probeSources } from '@sallyport/hostnet';
import {
  type DeviceChange,
  type DeviceStatus,
  diffDevice,
  isEmptyChange,
  type PeerChange,
  type PeerConfig,
  type PeerStatus,
  type WireGuardBackend,
  WireGuardError,
  type WireGuardGoBuild,
} from '@sallyport/wireguard';
import type { PathVerdict } from '../probing/path-check.ts';
import type { PathProbe } from '../probing/path-probe.ts';
import type { ProbeRules, ProbeWay } from '../probing/tunnel-probe.ts';
import { FirewallSide, type NameSource } from './firewall-side.ts';
import { HostSide } from './host-side.ts';

/** Dependencies of a DataPlane. */
export interface PlaneOptions extends TunnelDeviceOptions {
  readonly directory: StateDirectory;
  /** Returns the wanted peer of an item at present. */
  readonly peerConfig: PeerSource;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly onForeignChange: (change: ForeignChange) => void;
  /** Called when other programs changed link, addresses, routes or rules; one sentence for each difference. */
  readonly onHostDrift: (differences: readonly string[]) => void;
  /** Called when the host's network changed. */
  readonly onHostChange: () => void;
  /** Returns the verdict on the path from the tunnel to the resources. */
  readonly path: () => PathVerdict;
  /** Absent: no names are translated. */
  readonly names?: NameSource;
}

/** Traffic and peers of the data plane. */
export interface PlaneStatistics {
  /** Null when the device does not answer. */
  readonly device: DeviceStatus | null;
  readonly counters: Awaited<ReturnType<FirewallSide['counters']>>;
}

type Items = ReadonlyMap<string, StateItem>;

/**
 * WireGuard, firewall and host of one tunnel interface. Operations are idempotent and leave correct state untouched, so
 * a new agent does not disturb a running data plane. Calls run one after another. Failures are thrown: see `failureOf`.
 */
export class DataPlane {
  readonly #options: PlaneOptions;
  readonly #device: TunnelDevice;
  readonly #facts: LocalFacts;
  readonly #firewall: FirewallSide;
  readonly #host: HostSide;
  readonly #inForce = new InForce();
  readonly #mutex = new Mutex();
  /** Public key of the peer from which probes are sent; no state contains it. */
  #probeKey: string | null = null;
  /** Whether this agent has applied everything once; later differences come from other programs. */
  #settled = false;

  constructor(options: PlaneOptions) {
    this.#options = options;
    this.#device = new TunnelDevice(options);
    this.#facts = {
      interface: options.interface,
      privateKey: options.privateKey,
      peerConfig: options.peerConfig,
    };
    this.#firewall = new FirewallSide(
      options.interface,
      options.onForeignChange,
      (error) => options.onHostDrift([`what nftables reports could not be followed: ${failureOf(error).message}`]),
      options.names,
    );
    this.#host = new HostSide(options.directory, this.#mutex, options.onHostDrift, options.onHostChange);
  }

  /** The WireGuard implementation in use; null until it is known. */
  get wireguardKind(): WireGuardBackend['kind'] | null {
    return this.#device.kind;
  }

  /** The wireguard-go in use; null when there is none or it is not known yet. */
  get wireguardBuild(): WireGuardGoBuild | null {
    return this.#device.build;
  }

  /** Prefixes that the host's own network keeps out of the tunnel, one sentence each. */
  get conflicts(): readonly string[] {
    return this.#host.conflicts;
  }

  /** Determines how WireGuard can run here. Throws the obstacle, and tries again with the next job. */
  detect(): Promise<void> {
    return this.#mutex.run(async () => {
      await this.#device.open();
    });
  }

  perform(work: Work): Promise<PlaneResult> {
    return this.#mutex.run(async () => {
      if (work.kind === 'close') return this.#close();
      if (work.kind === 'change') return this.#change(work.changes, work.items, work.leaseUntil);
      return this.#load(work.items, work.leaseUntil, work.retimed);
    });
  }

  /** Checks the host's own networks again after a change. */
  renewFacts(): Promise<void> {
    return this.#mutex.run(async () =>
      this.#firewall.renewFacts(await this.#host.facts(this.#options.interface), this.#options.now()),
    );
  }

  /** Applies the present translation of host names. */
  renewNames(): Promise<void> {
    return this.#mutex.run(() => this.#firewall.renewNames(this.#options.now()));
  }

  /** Returns passed traffic and present peers. */
  statistics(): Promise<PlaneStatistics> {
    return this.#mutex.run(async () => {
      const device = await this.#read();
      this.#device.learn(device);
      return { device, counters: await this.#firewall.counters() };
    });
  }

  /** Applies steps of path selection: endpoints, and the peer of each route. */
  applyPeers(peers: readonly PeerChange[]): Promise<void> {
    return this.#mutex.run(() => this.#device.apply({ peers }));
  }

  /** Returns the WireGuard device as it is; null when it does not answer. */
  readDevice(): Promise<DeviceStatus | null> {
    return this.#mutex.run(() => this.#read());
  }

  admitProbes(publicKey: string, targets: readonly PathProbe[]): Promise<ProbeWay | null> {
    return this.#mutex.run(async () => {
      const device = await this.#device.read();
      const { overlay } = this.#firewall;
      if (overlay === null || device === null || device.listenPort === 0) return null;
      if (!(await this.#firewall.admitProbes(targets))) return null;
      const sources = probeSources(overlay);
      const peers: PeerChange[] = [];
      const old = this.#probeKey;
      if (old !== null && old !== publicKey) peers.push({ kind: 'remove', publicKey: old });
      if (!device.peers.has(publicKey)) {
        peers.push({ kind: 'set', peer: { publicKey, allowedIps: [`${sources.v4}/32`, `${sources.v6}/128`] } });
      }
      this.#probeKey = publicKey;
      if (peers.length > 0) await this.#device.apply({ peers });
      return { port: device.listenPort, publicKey: this.#device.publicKey, sources };
    });
  }

  /** The parts of the firewall that record and trace probes. */
  get probeRules(): ProbeRules {
    return this.#firewall;
  }

  /** Undoes everything and returns the undone items, one phrase each; an empty list when nothing was left. */
  down(): Promise<string[]> {
    return this.#mutex.run(async () => {
      const undone: string[] = [];
      await this.#host.stop();
      const saved = await this.#host.saved();
      const device = await this.#device.remove(saved !== null);
      if (device !== null) undone.push(`interface ${this.#options.interface} with ${device.peers.size} peers`);
      if (saved !== null) {
        await this.#host.down(saved);
        undone.push(...undonePhrases(saved));
      }
      if (await this.#firewall.remove()) undone.push('nftables table');
      await this.#host.forget();
      this.#settled = false;
      return undone;
    });
  }

  /** Releases resources that only the agent needs; the data plane stays. */
  stop(): Promise<void> {
    return this.#mutex.run(async () => {
      await this.#host.stop();
      await this.#firewall.stop();
    });
  }

  /**
   * The table comes before the interface, so that nothing passes unchecked. Revoked access ends with the table's
   * transaction.
   */
  async #load(items: Items, leaseUntil: number, retimed = false): Promise<PlaneResult> {
    const gateway = gatewayOf(items);
    if (gateway === null) {
      throw new AgentError(
        'no-gateway-item',
        'The controller sent a state without the gateway itself: check its version',
      );
    }
    const settled = this.#settled;
    await this.#device.open();
    this.#firewall.setFacts(await this.#host.facts(this.#options.interface));
    const now = this.#options.now();
    const timing = { leaseUntil, now: this.#options.now, retimed };
    const { found, drift } = await this.#firewall.load(items, gateway.overlay, timing);
    const wireguard = await this.#loadDevice(items);
    const host = await this.#host.up(hostStateOf(gateway, items, this.#options.interface));
    await this.#checkPath();
    const evidence = this.#evidence(wireguard.device, found, host.left, now);
    this.#inForce.examine(items, evidence);
    this.#settled = true;
    return { hash: this.#inForce.hash, mended: settled ? [...drift, ...wireguard.drift, ...host.drift] : [] };
  }

  async #change(changes: readonly ItemChange[], items: Items, leaseUntil: number): Promise<PlaneResult> {
    const plan = this.#firewall.ready ? planChange(changes, items, leaseUntil, this.#facts.peerConfig) : null;
    const gateway = gatewayOf(items);
    if (plan === null || gateway === null) return this.#load(items, leaseUntil);
    await this.#device.open();
    const now = this.#options.now();
    let drift: readonly string[];
    try {
      drift = await this.#firewall.change(plan.firewall, items, now);
    } catch (error) {
      // Revoked access ends even then.
      await this.#device.apply({ peers: plan.wireguard.peers.filter(isRemoval) });
      throw error;
    }
    // Reading the facts takes programs, so the table comes first: it ends revoked access.
    if (plan.host && this.#firewall.setFacts(await this.#host.facts(this.#options.interface)))
      return this.#load(items, leaseUntil);
    try {
      const device = await this.#changeDevice(plan.wireguard);
      const left = plan.host ? (await this.#host.up(hostStateOf(gateway, items, this.#options.interface))).left : [];
      const evidence = this.#evidence(device, await this.#firewall.readBackTouched(now), left, now);
      this.#inForce.examineTouched(changes, items, evidence);
      return { hash: this.#inForce.hash, mended: drift };
    } catch (error) {
      if (error instanceof WireGuardError && error.code === 'not-running') return this.#load(items, leaseUntil);
      throw error;
    }
  }

  async #close(): Promise<PlaneResult> {
    const closed: PlaneResult = { hash: '', mended: [] };
    if (!(await this.#device.close())) return closed;
    const saved = await this.#host.saved();
    if (saved === null) return closed;
    this.#firewall.setFacts(await this.#host.facts(this.#options.interface));
    await this.#firewall.close(saved.host.overlay, this.#options.now());
    return closed;
  }

  async #loadDevice(items: Items): Promise<{ device: DeviceStatus | null; drift: string[] }> {
    await this.#device.ensure();
    // The peer of the probes is then visible, and is removed with the others.
    if (!isOpen(gatewayOf(items))) this.#probeKey = null;
    const before = (await this.#read()) ?? emptyDevice;
    this.#device.learn(before);
    const change = diffDevice(before, deviceConfigOf(items, this.#facts));
    if (isEmptyChange(change)) return { device: before, drift: [] };
    const peers = change.peers.map((step) => returning(step, before));
    await this.#device.apply({ ...change, peers });
    return { device: await this.#read(), drift: deviceDrift(change, before, peerDrift) };
  }

  /** Undefined when nothing was touched, so nothing was checked. */
  async #changeDevice(change: DeviceChange): Promise<DeviceStatus | null | undefined> {
    if (isEmptyChange(change)) return undefined;
    // The firewall has already cut these peers. Their last endpoints restore them quickly when they return.
    if (change.peers.some(isRemoval)) this.#device.learn(await this.#read());
    await this.#device.apply(change);
    return this.#read();
  }

  #evidence(
    wireguard: DeviceStatus | null | undefined,
    firewall: FoundFirewall,
    hostDifferences: readonly string[],
    now: number,
  ) {
    return { wireguard, publicKey: this.#device.publicKey, firewall, hostDifferences, now };
  }

  /** Returns the device without the peer of the probes; null when it does not answer. */
  async #read(): Promise<DeviceStatus | null> {
    const device = await this.#device.read();
    if (device === null || this.#probeKey === null || !device.peers.has(this.#probeKey)) return device;
    const peers = new Map(device.peers);
    peers.delete(this.#probeKey);
    return { ...device, peers };
  }

  /** Throws the obstacle of the tunnel's packets. Without a measurement it judges foreign chains by their form. */
  async #checkPath(): Promise<void> {
    const verdict = this.#options.path();
    if (typeof verdict === 'object') throw new AgentError(verdict.code, verdict.message);
    if (verdict === 'unknown') await this.#firewall.checkForeignChains();
  }
}

function isRemoval(step: PeerChange): boolean {
  return step.kind === 'remove';
}

/** Sends first to a peer that is new to the device and whose endpoint is known. */
function returning(step: PeerChange, before: DeviceStatus): PeerChange {
  if (step.kind === 'remove' || before.peers.has(step.peer.publicKey)) return step;
  if (step.peer.persistentKeepalive !== undefined) return step;
  return { kind: 'set', peer: returningPeer(step.peer) };
}

/** Turning off the keepalive of a returned peer is a change of our own. */
function peerDrift(before: PeerStatus, wanted: PeerConfig): string | null {
  return before.allowedIps.length === wanted.allowedIps.length ? null : 'had other addresses';
}
