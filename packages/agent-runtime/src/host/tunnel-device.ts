import { randomBytes } from 'node:crypto';
import {
  type BackendChoice,
  type DeviceChange,
  type DeviceStatus,
  openBackend,
  openDetected,
  privateKeyFrom,
  publicKeyOf,
  type WireGuardBackend,
  WireGuardError,
  type WireGuardGoBuild,
} from '@sallyport/wireguard';
import type { EndpointMemory } from '../state/endpoints.ts';

/** Which WireGuard device it is, and how it runs. */
export interface TunnelDeviceOptions {
  readonly interface: string;
  readonly wireguard: BackendChoice;
  /** Path of the wireguard-go to run, or null: the newest that is found. */
  readonly wireguardGo: string | null;
  /** WireGuard private key, base64. */
  readonly privateKey: string;
  readonly endpoints: EndpointMemory;
}

/** The WireGuard device of one interface, run in the way that this host can. Failures are thrown: see `failureOf`. */
export class TunnelDevice {
  readonly publicKey: string;
  readonly #options: TunnelDeviceOptions;
  #opened: Awaited<ReturnType<typeof openDetected>> | null = null;

  constructor(options: TunnelDeviceOptions) {
    this.#options = options;
    this.publicKey = publicKeyOf(options.privateKey);
  }

  /** How WireGuard runs here; null until it is known. */
  get kind(): WireGuardBackend['kind'] | null {
    return this.#opened?.backend.kind ?? null;
  }

  /** The wireguard-go that is in use; null: none, or not known yet. */
  get build(): WireGuardGoBuild | null {
    return this.#opened?.build ?? null;
  }

  /** Finds out how WireGuard can run here. Throws what is in the way; the next call tries again. */
  async open(): Promise<WireGuardBackend> {
    const { wireguard, wireguardGo } = this.#options;
    this.#opened ??= await openDetected(wireguard, wireguardGo === null ? {} : { program: wireguardGo });
    return this.#opened.backend;
  }

  /** Makes the device if there is none. */
  async ensure(): Promise<void> {
    await (await this.open()).ensure(this.#options.interface);
  }

  /** The device as it is; null: it does not answer. */
  async read(): Promise<DeviceStatus | null> {
    return (await this.open()).read(this.#options.interface);
  }

  /** Changes the device; what the change does not name stays. */
  async apply(change: DeviceChange): Promise<void> {
    await (await this.open()).apply(this.#options.interface, change);
  }

  /** Remembers where the peers of a device are, so that one that returns is spoken to at once. */
  learn(device: DeviceStatus | null): void {
    this.#options.endpoints.learn(device?.peers.values() ?? []);
  }

  /** Removes all peers. False: the device does not answer. */
  async close(): Promise<boolean> {
    const device = await this.read();
    if (device === null) return false;
    this.learn(device);
    await this.apply({ peers: [...device.peers.keys()].map((publicKey) => ({ kind: 'remove', publicKey })) });
    return true;
  }

  /**
   * Removes the device, however it runs, without the tools that only making one needs. Returns what it was; null: there was
   * none. `ours`: a link without a living device is ours too.
   */
  async remove(ours: boolean): Promise<DeviceStatus | null> {
    const { interface: name } = this.#options;
    const userspace = openBackend('userspace');
    const kernel = openBackend('kernel');
    const device = (await userspace.read(name)) ?? (await kernel.read(name).catch(() => null));
    if (device === null && !ours) return null;
    this.learn(device);
    try {
      await userspace.remove(name);
    } catch (error) {
      if (!(error instanceof WireGuardError) || error.code !== 'name-taken') throw error;
      // A link of another kind is removed only if it is WireGuard and we brought it up.
      if (device === null) return null;
      await kernel.remove(name);
    }
    return device;
  }
}

/** Options for a device that will only be removed. That needs no key, so this one is random. */
export function removalOptions(name: string, endpoints: EndpointMemory): TunnelDeviceOptions {
  const privateKey = privateKeyFrom(randomBytes(32));
  return { interface: name, wireguard: 'auto', wireguardGo: null, privateKey, endpoints };
}

/** A device before anything was set. */
export const emptyDevice: DeviceStatus = { publicKey: null, listenPort: 0, fwmark: 0, peers: new Map() };
