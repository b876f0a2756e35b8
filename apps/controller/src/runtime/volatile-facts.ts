import type { WorldChange, WorldSettings } from '@sallyport/policy';
import type { Whereabouts } from './whereabouts.ts';

/**
 * Facts of the world that change without a commit, in memory: where devices are and can be sent to, what gateways cannot
 * reach, which beacons there are. What is here is newer than any row that this process reads.
 */
export class VolatileFacts {
  readonly #whereabouts: Whereabouts;
  readonly #beacons: () => WorldSettings['beacons'];
  /** Resources that a gateway cannot reach; gateways that reach all of theirs are not in it. */
  readonly #unreachable = new Map<string, readonly string[]>();
  readonly #endpoints = new Map<string, string | null>();

  constructor(whereabouts: Whereabouts, beacons: () => WorldSettings['beacons']) {
    this.#whereabouts = whereabouts;
    this.#beacons = beacons;
  }

  moved(device: string, source: string): void {
    this.#whereabouts.moved(device, source);
  }

  /** Where the beacon sees a device's WireGuard socket, or null. Whatever is told again soon may be forgotten: rows have it too. */
  mapped(device: string, endpoint: string | null): void {
    this.#endpoints.delete(device);
    this.#endpoints.set(device, endpoint);
    const [oldest] = this.#endpoints.keys();
    if (this.#endpoints.size > rememberedEndpoints && oldest !== undefined) this.#endpoints.delete(oldest);
  }

  /** What a gateway said last stands while it is silent: its controller may be what is gone. */
  unreachable(gateway: string, resources: readonly string[]): void {
    if (resources.length === 0) this.#unreachable.delete(gateway);
    else this.#unreachable.set(gateway, resources);
  }

  /** Settings with what is not in their row. */
  settings(stored: WorldSettings): WorldSettings {
    return { ...stored, beacons: this.#beacons() };
  }

  /** A change as it is by now. */
  current(change: WorldChange): WorldChange {
    if (change.kind === 'settings') return { ...change, value: this.settings(change.value) };
    if (change.kind === 'gateway' && change.value !== null)
      return { ...change, value: { ...change.value, unreachable: this.#unreachable.get(change.id) ?? [] } };
    const located = this.#whereabouts.located(change);
    const endpoint = this.#endpoints.get(change.id);
    if (located.kind !== 'device' || located.value === null || endpoint === undefined) return located;
    return { ...located, value: { ...located.value, endpoint } };
  }
}

/** Devices whose endpoint is kept. */
const rememberedEndpoints = 500_000;
