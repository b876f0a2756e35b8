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

/** Name, keys and backend of a WireGuard device. */
export interface TunnelDeviceOptions {
  readonly interface: string;
  readonly wireguard: BackendChoice;
  /** Path of the wireguard-go to run; null: the newest build. */
  readonly wireguardGo: string | null;
  /** WireGuard private key, base64. */
  readonly privateKey: string;
  readonly endpoints: EndpointMemory;
}

/** The WireGuard device of one interface, with a backend that works on this host. Throws failures: see `failureOf`. */
export class TunnelDevice {
  readonly publicKey: string;
  readonly #options: TunnelDeviceOptions;
  #opened: Awaited<ReturnType<typeof openDetected>> | null = null;

  constructor(options: TunnelDeviceOptions) {
    this.#options = options;
    this.publicKey = publicKeyOf(options.privateKey);
  }

  /** Backend of WireGuard on this host; null until it is known. */
  get kind(): WireGuardBackend['kind'] | null {
    return this.#opened?.backend.kind ?? null;
  }

  /** The wireguard-go in use; null: none, or not known yet. */
  get build(): WireGuardGoBuild | null {
    return this.#opened?.build ?? null;
  }

  /** Detects the backend of WireGuard on this host. Throws on failure; the next call tries again. */
  async open(): Promise<WireGuardBackend> {
    const { wireguard, wireguardGo } = this.#options;
    this.#opened ??= await openDetected(wireguard, wireguardGo === null ? {} : { program: wireguardGo });
    return this.#opened.backend;
  }

  /** Creates the device if it does not exist. */
  async ensure(): Promise<void> {
    await (await this.open()).ensure(this.#options.interface);
  }

  /** Reads the device; null: it does not answer. */
  async read(): Promise<DeviceStatus | null> {
    return (await this.open()).read(this.#options.interface);
  }

  /** Applies a change to the device. Settings that it does not name stay. */
  async apply(change: DeviceChange): Promise<void> {
    await (await this.open()).apply(this.#options.interface, change);
  }

  /** Stores the endpoints of peers, so that the device can send to a returning peer at once. */
  learn(device: DeviceStatus | null): void {
    this.#options.endpoints.learn(device?.peers.values() ?? []);
  }

  /** Removes all peers. Returns false if the device does not answer. */
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
      // A link of the other backend is removed only if it is WireGuard and we created it.
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

/** A device without settings. */
export const emptyDevice: DeviceStatus = { publicKey: null, listenPort: 0, fwmark: 0, peers: new Map() };
