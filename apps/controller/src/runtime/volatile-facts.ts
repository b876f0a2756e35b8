import type { WorldChange, WorldSettings } from '@sallyport/policy';
import type { Whereabouts } from './whereabouts.ts';

/**
 * Facts of the world that change without a commit, in memory: sources and endpoints of devices, resources that gateways
 * cannot reach, and the beacons. They are newer than every row that this process reads.
 */
export class VolatileFacts {
  readonly #whereabouts: Whereabouts;
  readonly #beacons: () => WorldSettings['beacons'];
  /** Resources that a gateway cannot reach. Gateways that reach all of theirs are left out. */
  readonly #unreachable = new Map<string, readonly string[]>();
  readonly #endpoints = new Map<string, string | null>();

  constructor(whereabouts: Whereabouts, beacons: () => WorldSettings['beacons']) {
    this.#whereabouts = whereabouts;
    this.#beacons = beacons;
  }

  moved(device: string, source: string): void {
    this.#whereabouts.moved(device, source);
  }

  /**
   * Records where the beacon sees a device's WireGuard socket, or null. The oldest may be forgotten: the row has the
   * endpoint too.
   */
  mapped(device: string, endpoint: string | null): void {
    this.#endpoints.delete(device);
    this.#endpoints.set(device, endpoint);
    const [oldest] = this.#endpoints.keys();
    if (this.#endpoints.size > rememberedEndpoints && oldest !== undefined) this.#endpoints.delete(oldest);
  }

  /** Records the report of a gateway. It holds while the gateway is silent, because the controller may be at fault. */
  unreachable(gateway: string, resources: readonly string[]): void {
    if (resources.length === 0) this.#unreachable.delete(gateway);
    else this.#unreachable.set(gateway, resources);
  }

  /** Returns what a gateway cannot reach. */
  unreachableOf(gateway: string): readonly string[] {
    return this.#unreachable.get(gateway) ?? [];
  }

  /** Returns settings with the values that are in no row. */
  settings(stored: WorldSettings): WorldSettings {
    return { ...stored, beacons: this.#beacons() };
  }

  /** Returns a change with the facts of this moment. */
  current(change: WorldChange): WorldChange {
    if (change.kind === 'settings') return { ...change, value: this.settings(change.value) };
    if (change.kind === 'gateway' && change.value !== null)
      return { ...change, value: { ...change.value, unreachable: this.unreachableOf(change.id) } };
    const located = this.#whereabouts.located(change);
    const endpoint = this.#endpoints.get(change.id);
    if (located.kind !== 'device' || located.value === null || endpoint === undefined) return located;
    return { ...located, value: { ...located.value, endpoint } };
  }
}

/** Number of devices whose endpoint is kept. */
const rememberedEndpoints = 500_000;
