import type { PathReport, ProbeResult } from '@sallyport/contract/channel';
import type { Channel, LocalAgents, Presence, SharedStatus } from '../channel/types.ts';

/** Presence of a gateway whose agent never came. */
export const absent: Presence = {
  connected: false,
  alive: false,
  converged: false,
  lastSeen: null,
  error: null,
  applied: null,
  statistics: { connectedDevices: 0, bytesIn: 0, bytesOut: 0, lastHandshake: null },
  probes: new Map(),
  safeToStop: false,
  clockSkewMs: null,
};

export const present: Presence = { ...absent, connected: true, alive: true, converged: true };

/** A channel whose agents are what a test says they are. */
export class ScriptedChannel implements Channel, LocalAgents {
  readonly presences = new Map<string, Presence>();
  readonly handshakes = new Map<string, number>();
  probes: readonly ProbeResult[] | null = null;

  presence(gateway: string): Presence {
    return this.presences.get(gateway) ?? absent;
  }

  async gather(): Promise<void> {}

  /** Agents that other processes have taken, in order. */
  readonly lost: string[] = [];

  lose(agent: string): void {
    this.lost.push(agent);
  }

  status(agent: string): SharedStatus | null {
    const presence = this.presences.get(agent);
    return presence === undefined ? null : { ...presence, heartbeatMs: 10_000, until: null };
  }

  sourceReported(): void {}

  async handOver(): Promise<void> {}

  deviceLastHandshake(device: string): number | null {
    return this.handshakes.get(device) ?? null;
  }

  async probe(): Promise<readonly ProbeResult[] | null> {
    return this.probes;
  }

  readonly pathReports = new Map<string, readonly PathReport[]>();

  paths(agent: string): readonly PathReport[] {
    return this.pathReports.get(agent) ?? [];
  }

  /** Milliseconds by agent, then relay. */
  readonly times = new Map<string, ReadonlyMap<string, number>>();

  relayTimes(agent: string): ReadonlyMap<string, number> {
    return this.times.get(agent) ?? new Map();
  }

  /** Who was told to send, to which peer, at which endpoints. */
  readonly punches: (readonly [agent: string, peer: string, endpoints: readonly string[]])[] = [];

  punch(agent: string, peer: string, endpoints: readonly string[]): boolean {
    if (!this.presence(agent).connected) return false;
    this.punches.push([agent, peer, endpoints]);
    return true;
  }

  /** Gateways that were asked to upgrade, oldest first. */
  readonly upgradesAsked: { readonly gateway: string; readonly request: string; readonly version: string }[] = [];
  readonly #upgradeListeners = new Set<Parameters<Channel['onUpgrading']>[0]>();

  askUpgrade(gateway: string, asked: Parameters<Channel['askUpgrade']>[1]): boolean {
    const { connected, agent } = this.presence(gateway);
    if (!connected || agent?.upgrades !== 'allowed') return false;
    this.upgradesAsked.push({ gateway, ...asked });
    return true;
  }

  onUpgrading(listener: Parameters<Channel['onUpgrading']>[0]): () => void {
    this.#upgradeListeners.add(listener);
    return () => this.#upgradeListeners.delete(listener);
  }

  /** An agent reports an upgrade. */
  upgrading(...report: Parameters<Parameters<Channel['onUpgrading']>[0]>): void {
    for (const listener of this.#upgradeListeners) listener(...report);
  }

  readonly #pathSeekers = new Set<Parameters<Channel['onFindPath']>[0]>();

  onFindPath(listener: Parameters<Channel['onFindPath']>[0]): () => void {
    this.#pathSeekers.add(listener);
    return () => this.#pathSeekers.delete(listener);
  }

  /** An agent asks. */
  findPath(...question: Parameters<Parameters<Channel['onFindPath']>[0]>): void {
    for (const listener of this.#pathSeekers) listener(...question);
  }

  readonly #presenceListeners = new Set<Parameters<Channel['onPresence']>[0]>();
  readonly #reportListeners = new Set<Parameters<Channel['onReport']>[0]>();

  onPresence(listener: Parameters<Channel['onPresence']>[0]): () => void {
    this.#presenceListeners.add(listener);
    return () => this.#presenceListeners.delete(listener);
  }

  onReport(listener: Parameters<Channel['onReport']>[0]): () => void {
    this.#reportListeners.add(listener);
    return () => this.#reportListeners.delete(listener);
  }

  /** The shown status of an agent changes. */
  show(agent: string, presence: Presence): void {
    this.presences.set(agent, presence);
    for (const listener of this.#presenceListeners) listener(agent);
  }

  /** An agent reports, or a gateway reports a handshake of a device. */
  report(...report: Parameters<Parameters<Channel['onReport']>[0]>): void {
    for (const listener of this.#reportListeners) listener(...report);
  }

  async stop(): Promise<void> {}
}
