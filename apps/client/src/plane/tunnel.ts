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
import type { ClientItem, StateItem } from '@sallyport/contract/channel';
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

/** Dependencies of a Tunnel. */
export interface TunnelOptions extends TunnelDeviceOptions {
  readonly directory: StateDirectory;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Returns the wanted peer of an item at present. */
  readonly peerConfig: PeerSource;
  /** Addresses that bypass the tunnel, whatever is routed into it. */
  readonly direct: () => readonly DirectTarget[];
  /** Returns whether packets to port 53 of local networks go into a full tunnel too. */
  readonly closesResolvers: () => boolean;
  /** Called before items are put in force, with the device as it is before. */
  readonly coming: (items: Items, device: DeviceStatus) => void;
  /** Called before everything is closed. */
  readonly closing: () => void;
  /** Called when other programs changed link, addresses, routes or rules; one sentence for each difference. */
  readonly onHostDrift: (differences: readonly string[]) => void;
}

type Items = ReadonlyMap<string, StateItem>;

/**
 * The one tunnel interface of a device: WireGuard and the host's network. Operations are idempotent and leave correct
 * state untouched, so a new daemon does not disturb a running tunnel. Calls run one after another. Failures are thrown:
 * see `failureOf`.
 */
export class Tunnel {
  readonly #options: TunnelOptions;
  readonly #device: TunnelDevice;
  readonly #host: HostSide;
  readonly #inForce = new InForce();
  readonly #mutex = new Mutex();
  /** Whether this daemon has applied everything once; later differences come from other programs. */
  #settled = false;
  /** Items that were last put in force. */
  #loaded: Items = new Map();

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#device = new TunnelDevice(options);
    this.#host = new HostSide(options.directory, this.#mutex, options.onHostDrift);
  }

  /** The wireguard-go in use; null when there is none or it is not known yet. */
  get wireguardBuild(): WireGuardGoBuild | null {
    return this.#device.build;
  }

  /** The WireGuard implementation in use; null until it is known. */
  get wireguardKind(): WireGuardBackend['kind'] | null {
    return this.#device.kind;
  }

  /** Conflicts of the host's own network with the tunnel's prefixes, as data and as text. */
  get contests(): Contests {
    return this.#host.contests;
  }

  /** Packets of each prefix so far, and the peers that answered; null while the tunnel is being set up. */
  traffic(prefixes: readonly string[], apart: readonly string[]): Promise<ClientTraffic | null> {
    return this.#mutex.run(async () =>
      this.#settled ? this.#host.traffic(this.#options.interface, prefixes, apart) : null,
    );
  }

  /** Determines how WireGuard can run here. Throws the obstacle, and tries again with the next job. */
  async detect(): Promise<void> {
    await this.#mutex.run(() => this.#device.open());
    // Starting WireGuard takes as long as connecting to the controller, so both run in parallel. The first job reports
    // failures.
    void this.#mutex.run(() => this.#device.ensure()).catch(() => {});
  }

  perform(work: Work): Promise<PlaneResult> {
    return this.#mutex.run(async () => {
      if (work.kind === 'close') return this.#close();
      if (work.kind === 'change') return this.#change(work.changes, work.items);
      return this.#load(work.items);
    });
  }

  /** Returns the device as it is; null when it does not answer. */
  read(): Promise<DeviceStatus | null> {
    return this.#mutex.run(async () => {
      const device = await this.#device.read();
      this.#device.learn(device);
      return device;
    });
  }

  /** Applies steps to peers. The next load restores the peers of a missing device. */
  apply(peers: readonly PeerChange[]): Promise<void> {
    return this.#mutex.run(async () => {
      if (!this.#settled) return;
      const current = currentSteps(peers, this.#loaded, this.#options.peerConfig);
      await this.#device.apply({ peers: current });
    });
  }

  /**
   * Sets the current endpoints again. wireguard-go remembers the local address from which it sends to each endpoint. It
   * keeps using an address that this host has lost until the next handshake fails.
   */
  refreshEndpoints(): Promise<void> {
    return this.#mutex.run(async () => {
      const peers = [...((await this.#device.read())?.peers.values() ?? [])];
      const known = peers.filter(({ endpoint }) => endpoint !== undefined);
      await this.#device.apply({ peers: known.map((peer) => ({ kind: 'set', peer: configOf(peer) })) });
    });
  }

  /** Undoes everything and returns the undone items, one phrase each; an empty list when nothing was left. */
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

  /** Releases resources that only the daemon needs; the tunnel stays. */
  stop(): Promise<void> {
    return this.#mutex.run(() => this.#host.stop());
  }

  /** WireGuard comes before routes: packets routed into a tunnel without its mark would loop. */
  async #load(items: Items): Promise<PlaneResult> {
    const hostState = this.#hostState(items);
    // Changes caused by our own state items are not drift.
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
      const { left } = changes.some(movesRoutes) ? await this.#host.change(this.#hostState(items)) : { left: [] };
      this.#inForce.examineTouched(changes, items, this.#evidence(device, left));
      this.#loaded = new Map(items);
      return { hash: this.#inForce.hash, mended: [] };
    } catch (error) {
      if (error instanceof WireGuardError && error.code === 'not-running') return this.#load(items);
      throw error;
    }
  }

  /** Removes the peers. The routes stay, so that no traffic bypasses the tunnel. */
  async #close(): Promise<PlaneResult> {
    this.#options.closing();
    await this.#device.close();
    this.#settled = false;
    return { hash: '', mended: [] };
  }

  /** Our own work changes endpoints and prefixes of peers all the time, so such changes are not drift. */
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

  /** Undefined when nothing was touched, so nothing was checked. */
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
      // A device whose names all go through the tunnel needs no resolver of a local network.
      const closed = client.localNetwork === undefined && this.#options.closesResolvers();
      const known: ClientItem = closed ? { ...client, localNetwork: 'CLOSED' } : client;
      return { ...clientHostOf(known, items, facts), direct: targets, ...ownSockets };
    }
    const message = 'The controller sent a state without the device itself: check its version';
    throw new AgentError('no-client-item', message);
  }

  #evidence(wireguard: DeviceStatus | null | undefined, hostDifferences: readonly string[]) {
    const now = this.#options.now();
    return { wireguard, publicKey: this.#device.publicKey, fwmark, firewall: null, hostDifferences, now };
  }
}

/**
 * Firewall mark of WireGuard's own datagrams, which bypass the tunnel. Each network namespace has one device, so one
 * number suffices.
 */
export const fwmark = 0x5a11_0001;
/** Routing table of the tunnel. */
export const table = 0x5a11;

/**
 * Lets the daemon alone reach the controller outside of the tunnel. The network controls what the controller's name
 * resolves to. A resolver that names a resource's address therefore diverts no other packets. The kernel's reverse path
 * filter asks as root.
 */
const ownSockets = process.getuid?.() === 0 ? { uid: 0 } : {};

/** Items are immutable, so the same object is the same item. */
function sameItems(a: Items, b: Items): boolean {
  return a.size === b.size && [...a].every(([key, item]) => b.get(key) === item);
}

/**
 * Prefixes that bypass the tunnel for path probes. Their round-trip times are those of datagrams that WireGuard would
 * send there.
 */
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
