import { lookup } from 'node:dns/promises';
import type { PathEffect, PathInput, Paths } from '@sallyport/agent-core';
import type { DeviceStatus, PeerChange } from '@sallyport/wireguard';
import { failureOf } from '../failure.ts';
import type { Log } from '../log.ts';
import type { PlaneInput } from '../plane.ts';
import { askLiveness } from './liveness.ts';
import { RelayMeter } from './relay-meter.ts';
import { echoTarget, tryTarget } from './target.ts';

/** Functions of the agent that path finding uses. */
export interface PathHost {
  /** Applies steps to the WireGuard device, after earlier requests. */
  readonly apply: (peers: readonly PeerChange[]) => Promise<void>;
  /** Reads the WireGuard device; null: it does not answer. */
  readonly read: () => Promise<DeviceStatus | null>;
  /** Returns packet counts of these prefixes, and who answered; null: not known. Absent: routes are not watched. */
  readonly traffic?: (prefixes: readonly string[], apart: readonly string[]) => Promise<Traffic | null>;
  readonly tell: (input: PlaneInput) => void;
  /** Called when the visible status has changed. */
  readonly changed: () => void;
  readonly log: Log;
}

type Traffic = Pick<Extract<PathInput, { kind: 'traffic' }>, 'counts' | 'answering'>;

/** Connects `Paths` to sockets, the WireGuard device and the clock. */
export class PathRunner {
  readonly #paths: Paths;
  readonly #host: PathHost;
  readonly #meter = new RelayMeter();
  readonly #inputs: PathInput[] = [];
  #handling = false;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(paths: Paths, host: PathHost) {
    this.#paths = paths;
    this.#host = host;
  }

  /** Queue of inputs. An input waits until all effects of the previous input are carried out. */
  input(input: PathInput): void {
    if (this.#stopped) return;
    this.#inputs.push(input);
    if (this.#handling) return;
    this.#handling = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) this.#handle(next);
    } finally {
      this.#handling = false;
    }
    this.#arm();
  }

  /** Handles an input. Does not throw: the next input searches paths again. */
  #handle(input: PathInput): void {
    try {
      for (const effect of this.#paths.handle(input, performance.now())) this.#perform(effect);
    } catch (error) {
      this.#failedAt = performance.now();
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#host.log.error(`finding paths failed on ${input.kind}`, { cause });
    }
  }

  /** Leaves all paths as they are. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#meter.close();
  }

  #perform(effect: PathEffect): void {
    switch (effect.kind) {
      case 'wireguard':
        void this.#apply(effect.peers);
        return;
      case 'probe':
        void askLiveness(effect.address, effect.timeoutMs).then((rttMs) =>
          this.input({ kind: 'probed', probe: effect.probe, rttMs }),
        );
        return;
      case 'try': {
        const { probe, address, port, timeoutMs } = effect;
        const trial = port === null ? echoTarget(address, timeoutMs) : tryTarget(address, port, timeoutMs);
        void trial.then((outcome) => this.input({ kind: 'tried', probe, outcome }));
        return;
      }
      case 'read-traffic':
        void this.#readTraffic(effect.prefixes, effect.apart);
        return;
      case 'read-status':
        void this.#read();
        return;
      case 'find-path':
        this.#host.tell({ kind: 'find-path', peer: effect.peer, relay: effect.relay });
        return;
      case 'resolve':
        void this.#resolve(effect.host);
        return;
      case 'measure':
        void this.#meter
          .measure(effect.endpoint)
          .then((rttMs) => this.input({ kind: 'measured', relay: effect.relay, rttMs }));
        return;
      case 'changed':
        for (const { level, message } of effect.what) this.#host.log[level === 'notice' ? 'info' : 'debug'](message);
        this.#host.changed();
    }
  }

  async #apply(peers: readonly PeerChange[]): Promise<void> {
    try {
      await this.#host.apply(peers);
    } catch (error) {
      // The plane's own sweep repairs the device.
      this.#host.log.warn('cannot change a path', { reason: failureOf(error).message });
    }
  }

  async #read(): Promise<void> {
    this.input({ kind: 'status', device: await this.#host.read().catch(() => null) });
  }

  async #readTraffic(prefixes: readonly string[], apart: readonly string[]): Promise<void> {
    const read = await this.#host.traffic?.(prefixes, apart).catch((error) => {
      this.#host.log.debug('packets of routes could not be counted', { reason: failureOf(error).message });
      return null;
    });
    this.input({ kind: 'traffic', ...(read ?? { counts: new Map(), answering: [] }) });
  }

  async #resolve(host: string): Promise<void> {
    const found = await lookup(host, { all: true }).catch(() => []);
    this.input({ kind: 'resolved', host, addresses: found.map(({ address }) => address) });
  }

  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const at = this.#paths.nextDeadline();
    if (at === null || this.#stopped) return;
    // A failing deadline may be due again at once.
    const pause = performance.now() - this.#failedAt < pauseMs ? pauseMs : 0;
    this.#timer = setTimeout(() => this.input({ kind: 'tick' }), Math.max(at - performance.now(), pause)).unref();
  }
}

/** Pause after an internal failure, in milliseconds. */
const pauseMs = 1_000;
