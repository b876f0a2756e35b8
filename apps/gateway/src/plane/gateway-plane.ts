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
import { Prober } from '../probing/prober.ts';
import { DataPlane, type PlaneOptions } from './data-plane.ts';
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
  readonly #prober: Prober;
  #elsewhereTimer: NodeJS.Timeout | null = null;

  constructor({ log, ...options }: GatewayPlaneOptions) {
    this.#log = log;
    this.#directory = options.directory;
    this.#endpoints = options.endpoints;
    this.#prober = new Prober(options.now, (result) => this.#tell({ kind: 'noticed', probes: [result] }));
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
  }

  async perform(work: Work): Promise<PlaneResult> {
    const result = await this.#plane.perform(work);
    this.#prober.expect(work.kind === 'close' ? [] : this.#probeItems());
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
        data: this.#statistics.heartbeat(items, statistics, this.#prober.results),
        drift: lost ? 'WireGuard has not the peers that it should have' : null,
      };
    } catch (error) {
      this.#log.debug('no statistics', { reason: failureOf(error).message });
      const nothing = { device: null, counters: null };
      return { data: this.#statistics.heartbeat(items, nothing, this.#prober.results), drift: null };
    }
  }

  probe(): Promise<readonly ProbeResult[]> {
    return this.#prober.all();
  }

  punch(_message: Punch): void {}

  down(): Promise<string[]> {
    return this.#plane.down();
  }

  async stop(): Promise<void> {
    this.#prober.stop();
    if (this.#elsewhereTimer !== null) clearTimeout(this.#elsewhereTimer);
    await this.#plane.stop();
    await this.#saveEndpoints();
  }

  #probeItems(): ProbeItem[] {
    return [...this.#desired().values()].filter((item) => item.kind === 'probe');
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

const elsewhereDelayMs = 2_000;
