import type { Work } from '@sallyport/agent-core';
import {
  type AgentPlane,
  type EndpointMemory,
  failureOf,
  type HeartbeatReading,
  type Log,
  type PlaneInput,
  type PlaneResult,
  type StateDirectory,
} from '@sallyport/agent-runtime';
import type { ProbeItem, ProbeResult, Punch, StateItem } from '@sallyport/contract/channel';
import type { ForeignChange } from '@sallyport/hostnet';
import { DataPlane, type PlaneOptions } from './data-plane.ts';
import { probeAll } from './probes.ts';
import { hasLostPeers, Statistics } from './statistics.ts';

export interface GatewayPlaneOptions extends Omit<PlaneOptions, 'onForeignChange' | 'onHostDrift'> {
  readonly log: Log;
}

type Items = ReadonlyMap<string, StateItem>;

/** What a gateway does with its state: the data plane, what it counts, and how its resources answer. */
export class GatewayPlane implements AgentPlane {
  readonly #plane: DataPlane;
  readonly #directory: StateDirectory;
  readonly #endpoints: EndpointMemory;
  readonly #log: Log;
  readonly #statistics = new Statistics();
  #tell: (input: PlaneInput) => void = () => {};
  #desired: () => Items = () => new Map();
  #probes: readonly ProbeResult[] = [];
  #probing: Promise<void> | null = null;
  #probeTimer: NodeJS.Timeout | null = null;
  #elsewhereTimer: NodeJS.Timeout | null = null;

  constructor({ log, ...options }: GatewayPlaneOptions) {
    this.#log = log;
    this.#directory = options.directory;
    this.#endpoints = options.endpoints;
    this.#plane = new DataPlane({
      ...options,
      onForeignChange: (change) => this.#foreignChange(change),
      onHostDrift: ([first]) => this.#tell({ kind: 'drift', reason: first ?? 'the host changed' }),
    });
  }

  get wireguardKind() {
    return this.#plane.wireguardKind;
  }

  detect(): Promise<void> {
    return this.#plane.detect();
  }

  begin(tell: (input: PlaneInput) => void, desired: () => Items): void {
    this.#tell = tell;
    this.#desired = desired;
    this.#probeTimer = setInterval(() => void this.#runProbes(), probeEveryMs).unref();
  }

  async perform(work: Work): Promise<PlaneResult> {
    const result = await this.#plane.perform(work);
    if (this.#probesAreStale()) void this.#runProbes();
    await this.#saveEndpoints();
    return result;
  }

  async heartbeat(applied: boolean): Promise<HeartbeatReading> {
    const items = this.#desired();
    try {
      const statistics = await this.#plane.statistics();
      const lost = applied && hasLostPeers(items, statistics.device);
      await this.#saveEndpoints();
      return {
        data: this.#statistics.heartbeat(items, statistics, this.#probes),
        drift: lost ? 'WireGuard has not the peers that it should have' : null,
      };
    } catch (error) {
      this.#log.debug('no statistics', { reason: failureOf(error).message });
      const nothing = { device: null, counters: null };
      return { data: this.#statistics.heartbeat(items, nothing, this.#probes), drift: null };
    }
  }

  async probe(): Promise<readonly ProbeResult[]> {
    await this.#runProbes();
    return this.#probes;
  }

  punch(_message: Punch): void {}

  down(): Promise<string[]> {
    return this.#plane.down();
  }

  async stop(): Promise<void> {
    if (this.#probeTimer !== null) clearInterval(this.#probeTimer);
    if (this.#elsewhereTimer !== null) clearTimeout(this.#elsewhereTimer);
    await this.#plane.stop();
    await this.#saveEndpoints();
  }

  /** One run at a time; who asks meanwhile gets the next. */
  async #runProbes(): Promise<void> {
    while (this.#probing !== null) await this.#probing;
    this.#probing = (async () => {
      this.#probes = await probeAll(this.#probeItems());
    })();
    await this.#probing;
    this.#probing = null;
  }

  #probeItems(): ProbeItem[] {
    return [...this.#desired().values()].filter((item) => item.kind === 'probe');
  }

  #probesAreStale(): boolean {
    const known = new Set(this.#probes.map(({ id }) => id));
    const wanted = this.#probeItems();
    return wanted.length !== known.size || wanted.some(({ id }) => !known.has(id));
  }

  /** Our own table is looked at at once; other rules change often on some hosts, so they are looked at together. */
  #foreignChange({ kind, process }: ForeignChange): void {
    const reason = `nftables changed${process === null ? '' : ` by ${process}`}`;
    if (kind !== 'elsewhere') {
      this.#tell({ kind: 'drift', reason });
      return;
    }
    this.#elsewhereTimer ??= setTimeout(() => {
      this.#elsewhereTimer = null;
      this.#tell({ kind: 'drift', reason });
    }, elsewhereDelayMs).unref();
  }

  async #saveEndpoints(): Promise<void> {
    await this.#endpoints.save(this.#directory).catch((error) => {
      this.#log.warn('the endpoints could not be stored', { reason: failureOf(error).message });
    });
  }
}

const probeEveryMs = 30_000;
const elsewhereDelayMs = 2_000;
