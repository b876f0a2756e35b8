import { isIP } from 'node:net';
import {
  clientConfigOf,
  clientHostOf,
  clientOf,
  InForce,
  type ItemChange,
  movesRoutes,
  type PeerSource,
  peerChanges,
  type Work,
} from '@sallyport/agent-core';
import {
  AgentError,
  deviceDrift,
  emptyDevice,
  Mutex,
  type PlaneResult,
  type StateDirectory,
  TunnelDevice,
  type TunnelDeviceOptions,
  undonePhrases,
} from '@sallyport/agent-runtime';
import type { StateItem } from '@sallyport/contract/channel';
import type { ClientHostState, ClientTraffic, DirectTarget } from '@sallyport/hostnet';
import {
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
import { type Contests, HostSide } from './host-side.ts';
import { currentSteps } from './steps.ts';

export interface TunnelOptions extends TunnelDeviceOptions {
  readonly directory: StateDirectory;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** What the peer of an item should be at present. */
  readonly peerConfig: PeerSource;
  /** What is reached past the tunnel, whatever is routed into it. */
  readonly direct: () => readonly DirectTarget[];
  /** Called before items are put in force, with the device as it is before. */
  readonly coming: (items: Items, device: DeviceStatus) => void;
  /** Called before everything is closed. */
  readonly closing: () => void;
  /** Others have changed link, addresses, routes or rules: a sentence for each thing that is not as wanted. */
  readonly onHostDrift: (differences: readonly string[]) => void;
}

type Items = ReadonlyMap<string, StateItem>;

/**
 * WireGuard and host of a device's one tunnel interface. Everything is idempotent: what is as wanted is not touched, so a new
 * daemon on a living tunnel disturbs nothing. Calls run one after another. Failures are thrown: see `failureOf`.
 */
export class Tunnel {
  readonly #options: TunnelOptions;
  readonly #device: TunnelDevice;
  readonly #host: HostSide;
  readonly #inForce = new InForce();
  readonly #mutex = new Mutex();
  /** Whether this daemon has brought everything up once: later differences are others' work. */
  #settled = false;
  /** Items that were last put in force. */
  #loaded: Items = new Map();

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#device = new TunnelDevice(options);
    this.#host = new HostSide(options.directory, this.#mutex, options.onHostDrift);
  }

  /** The wireguard-go that is in use; null: none, or not known yet. */
  get wireguardBuild(): WireGuardGoBuild | null {
    return this.#device.build;
  }

  /** How WireGuard runs here; null until it is known. */
  get wireguardKind(): WireGuardBackend['kind'] | null {
    return this.#device.kind;
  }

  /** What the host's own network has of the tunnel's prefixes, and in words. */
  get contests(): Contests {
    return this.#host.contests;
  }

  /** Packets of each prefix so far, and who answered; null while the tunnel is being brought up. */
  traffic(prefixes: readonly string[], apart: readonly string[]): Promise<ClientTraffic | null> {
    return this.#mutex.run(async () =>
      this.#settled ? this.#host.traffic(this.#options.interface, prefixes, apart) : null,
    );
  }

  /** Finds out how WireGuard can run here. Throws what is in the way, and tries again with the next job. */
  async detect(): Promise<void> {
    await this.#mutex.run(() => this.#device.open());
    // Starting WireGuard takes as long as being welcomed by the controller. What goes wrong is found by the first job.
    void this.#mutex.run(() => this.#device.ensure()).catch(() => {});
  }

  perform(work: Work): Promise<PlaneResult> {
    return this.#mutex.run(async () => {
      if (work.kind === 'close') return this.#close();
      if (work.kind === 'change') return this.#change(work.changes, work.items);
      return this.#load(work.items);
    });
  }

  /** The device as it is; null: it does not answer. */
  read(): Promise<DeviceStatus | null> {
    return this.#mutex.run(async () => {
      const device = await this.#device.read();
      this.#device.learn(device);
      return device;
    });
  }

  /** Applies steps to peers. Those of a device that is gone come with the next load. */
  apply(peers: readonly PeerChange[]): Promise<void> {
    return this.#mutex.run(async () => {
      if (!this.#settled) return;
      const current = currentSteps(peers, this.#loaded, this.#options.peerConfig);
      await this.#device.apply({ peers: current });
    });
  }

  /**
   * Tells WireGuard the endpoints that it has once more. wireguard-go remembers from which own address it sends to each of
   * them, and goes on with one that this host has lost until its next handshake fails.
   */
  refreshEndpoints(): Promise<void> {
    return this.#mutex.run(async () => {
      const peers = [...((await this.#device.read())?.peers.values() ?? [])];
      const known = peers.filter(({ endpoint }) => endpoint !== undefined);
      await this.#device.apply({ peers: known.map((peer) => ({ kind: 'set', peer: configOf(peer) })) });
    });
  }

  /** Undoes everything and says what, a phrase each; an empty list: there was nothing. */
  down(): Promise<string[]> {
    return this.#mutex.run(async () => {
      this.#settled = false;
      await this.#host.stop();
      const saved = await this.#host.saved();
      const device = await this.#device.remove(saved !== null);
      const undone = device === null ? [] : [`interface ${this.#options.interface} with ${device.peers.size} peers`];
      if (saved === null) return undone;
      await this.#host.down(saved);
      return [...undone, ...undonePhrases(saved)];
    });
  }

  /** Lets go of what only the daemon needs; the tunnel stays. */
  stop(): Promise<void> {
    return this.#mutex.run(() => this.#host.stop());
  }

  /** WireGuard before routes: what is routed into a tunnel without its mark would go round in circles. */
  async #load(items: Items): Promise<PlaneResult> {
    const hostState = this.#hostState(items);
    // What is other than before because the items are is our own doing.
    const settled = this.#settled && sameItems(this.#loaded, items);
    const { device, drift } = await this.#loadDevice(items);
    const host = await this.#host.up(hostState);
    this.#inForce.examine(items, this.#evidence(device, host.left));
    this.#settled = true;
    this.#loaded = new Map(items);
    return { hash: this.#inForce.hash, mended: settled ? [...drift, ...host.drift] : [] };
  }

  async #change(changes: readonly ItemChange[], items: Items): Promise<PlaneResult> {
    const moved = changes.some(({ before, after }) => (before ?? after)?.kind === 'client');
    if (!this.#settled || moved) return this.#load(items);
    try {
      const device = await this.#changePeers(changes, items);
      const { left } = changes.some(movesRoutes) ? await this.#host.up(this.#hostState(items)) : { left: [] };
      this.#inForce.examineTouched(changes, items, this.#evidence(device, left));
      this.#loaded = new Map(items);
      return { hash: this.#inForce.hash, mended: [] };
    } catch (error) {
      if (error instanceof WireGuardError && error.code === 'not-running') return this.#load(items);
      throw error;
    }
  }

  /** Without peers nothing gets out of the tunnel; its routes stay, so that nothing goes around it either. */
  async #close(): Promise<PlaneResult> {
    this.#options.closing();
    await this.#device.close();
    this.#settled = false;
    return { hash: '', mended: [] };
  }

  /** Endpoints and prefixes of peers move by our own doing all the time, so they are no drift. */
  async #loadDevice(items: Items): Promise<{ device: DeviceStatus | null; drift: string[] }> {
    const { interface: name, privateKey, peerConfig } = this.#options;
    await this.#device.ensure();
    const before = await this.#coming(items);
    const facts = { interface: name, privateKey, peerConfig, fwmark, listenPort: before.listenPort };
    const change = diffDevice(before, clientConfigOf(items, facts));
    if (isEmptyChange(change)) return { device: before, drift: [] };
    await this.#device.apply(change);
    return { device: await this.#device.read(), drift: deviceDrift(change, before) };
  }

  /** Undefined: nothing was touched, so nothing was looked at. */
  async #changePeers(changes: readonly ItemChange[], items: Items): Promise<DeviceStatus | null | undefined> {
    await this.#coming(items);
    const peers = peerChanges(changes, items, this.#options.peerConfig);
    if (peers.length === 0) return undefined;
    await this.#device.apply({ peers });
    return this.#device.read();
  }

  /** Announces items that are about to be put in force. Returns the device as it is before. */
  async #coming(items: Items): Promise<DeviceStatus> {
    const before = (await this.#device.read()) ?? emptyDevice;
    this.#device.learn(before);
    this.#options.coming(items, before);
    return before;
  }

  #hostState(items: Items): ClientHostState {
    const client = clientOf(items);
    const { interface: name, direct } = this.#options;
    if (client !== null) {
      const targets = [...direct(), ...relayPoints(items)];
      const facts = { interface: name, mark: fwmark, table };
      return { ...clientHostOf(client, items, facts), direct: targets, ...ownSockets };
    }
    const message = 'The controller sent a state without the device itself: check its version';
    throw new AgentError('no-client-item', message);
  }

  #evidence(wireguard: DeviceStatus | null | undefined, hostDifferences: readonly string[]) {
    const now = this.#options.now();
    return { wireguard, publicKey: this.#device.publicKey, fwmark, firewall: null, hostDifferences, now };
  }
}

/** On WireGuard's own datagrams, so that they go past the tunnel. One device per network namespace, so one number will do. */
export const fwmark = 0x5a11_0001;
/** Routing table of the tunnel. */
export const table = 0x5a11;

/**
 * The controller's name resolves to what the network says, so past the tunnel it is reached by the daemon only: a resolver
 * that names a resource's address gets nobody else's packets. The kernel's reverse path filter asks as root.
 */
const ownSockets = process.getuid?.() === 0 ? { uid: 0 } : {};

/** Items are never changed in place, so those that are the same object are the same. */
function sameItems(a: Items, b: Items): boolean {
  return a.size === b.size && [...a].every(([key, item]) => b.get(key) === item);
}

/** Their round-trip times are those of datagrams that WireGuard would send there, which go past the tunnel. */
function relayPoints(items: Items): DirectTarget[] {
  return [...items.values()].flatMap((item): DirectTarget[] => {
    if (item.kind !== 'relay-point') return [];
    const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(item.endpoint) ?? [];
    const address = bracketed ?? plain ?? '';
    return isIP(address) === 0 ? [] : [{ address, protocol: 'udp', port: Number(port) }];
  });
}

function configOf({ publicKey, endpoint, allowedIps, persistentKeepalive }: PeerStatus): PeerConfig {
  return {
    publicKey,
    allowedIps,
    ...(endpoint !== undefined && { endpoint }),
    ...(persistentKeepalive !== undefined && { persistentKeepalive }),
  };
}
