import type { WorldBeacon } from '@sallyport/policy';
import { systemTimers, type Timers } from '../channel/timers.ts';
import type { AgentDirectory } from '../channel/types.ts';
import type { Store } from '../db/store.ts';
import { Announcer, forgetMappings, publishedMappings } from './announcer.ts';
import { BeaconCounters } from './counters.ts';
import type { BeaconKeys } from './keys.ts';
import { type KnownAgent, KnownAgents } from './known-agents.ts';
import { type Mapping, Mappings, silenceMs } from './mappings.ts';
import { BeaconPort } from './port.ts';

/** Settings of the beacon. */
export interface BeaconSettings {
  readonly keys: BeaconKeys;
  /** UDP address, and the first of two successive ports; port 0: two free ones. Null: no beacon. */
  readonly listen: { readonly host: string; readonly port: number } | null;
  /** Host for agents, and its port if it differs. Null: agents get no beacon. */
  readonly endpoint: { readonly host: string; readonly port: number | null } | null;
  /**
   * IP address of this host for the second port, which shows NATs that map by destination address; null: the same for
   * both.
   */
  readonly secondAddress?: string | null;
}

/** Settings of the beacon, and the parts of the controller that it uses. */
export interface BeaconDeps extends BeaconSettings {
  readonly store: Store;
  readonly directory: Pick<AgentDirectory, 'observed'>;
  /** Called at once with the mapping of an agent. Its row follows. */
  readonly judged: (tenant: string, agent: string, mapping: Mapping) => void;
  /** Called when the place of an agent becomes known or changes. */
  readonly mapped: (agent: string) => void;
  /** Returns whether the agent's channel is up. */
  readonly connected: (agent: string) => boolean;
  /** Called when it has opened its ports, or closes them. */
  readonly placed?: () => void;
  /** Left out: there are no others. */
  readonly others?: OtherBeacons;
  readonly log: {
    readonly info: (facts: object, text: string) => void;
    readonly warn: (facts: object, text: string) => void;
  };
  readonly timers?: Timers;
  /** Monotonic milliseconds; left out: those of the process. */
  readonly elapsed?: () => number;
}

/** Beacons of other replicas. */
export interface OtherBeacons {
  /** Whether no other replica uses the database. */
  alone(): boolean;
  /** Whether a live replica has one. */
  any(): boolean;
  /** Whether a live replica says where the agent is seen, and this one does not. */
  see(agent: string): boolean;
}

const noOthers: OtherBeacons = { alone: () => true, any: () => false, see: () => false };

/**
 * Answers the WireGuard handshakes of agents on two UDP ports, and so learns the public address of each agent's own
 * WireGuard socket. It carries no traffic and sends nothing by itself.
 */
export class Beacon {
  readonly counters = new BeaconCounters();
  readonly #deps: BeaconDeps;
  readonly #mappings = new Mappings();
  readonly #announcer: Announcer;
  readonly #ports: readonly BeaconPort[];
  readonly #agents = new Map<string, KnownAgent>();
  readonly #elapsed: () => number;
  readonly #others: OtherBeacons;
  #listening: number | null = null;
  /** Since when agents have had the time to be heard here, or by another beacon. */
  #heardSince = 0;
  #endedStored = false;

  constructor(deps: BeaconDeps) {
    this.#deps = deps;
    this.#elapsed = deps.elapsed ?? (() => performance.now());
    this.#heardSince = this.#elapsed();
    this.#others = deps.others ?? noOthers;
    this.#announcer = new Announcer({ ...deps, timers: deps.timers ?? systemTimers });
    this.#ports = deps.listen === null ? [] : this.#makePorts();
  }

  /** Opens both ports, or neither. Then it logs why, and the controller continues without a beacon. */
  async listen(): Promise<void> {
    const { listen, endpoint, store, log } = this.#deps;
    if (listen !== null) await this.#tryPorts(listen);
    if (this.#others.alone() && (this.#listening === null || endpoint === null)) await forgetMappings(store);
    this.#deps.placed?.();
    if (this.#listening !== null && endpoint === null)
      log.info(
        { port: this.#listening },
        'agents are told of no beacon: set SALLYPORT_PUBLIC_URL or SALLYPORT_BEACON_ENDPOINT to where they reach it',
      );
  }

  /** First of the two ports; null while it does not listen. */
  get port(): number | null {
    return this.#listening;
  }

  /** Returns the peers for agents: one for each port, and the key that knocks, which has no endpoint. */
  peers(): WorldBeacon[] {
    const { keys, endpoint, secondAddress } = this.#deps;
    const peers: WorldBeacon[] = [{ id: 'probe', publicKey: keys.probe.publicKey, endpoint: null }];
    if (endpoint === null || this.#listening === null) return peers;
    const hosts = [endpoint.host, secondAddress ?? endpoint.host].map((h) => (h.includes(':') ? `[${h}]` : h));
    const first = endpoint.port ?? this.#listening;
    for (const [index, { publicKey }] of keys.ports.entries())
      peers.push({ id: String(index + 1), publicKey, endpoint: `${hosts[index]}:${first + index}` });
    return peers;
  }

  mapping(agent: string): Mapping {
    return this.#mappings.of(agent);
  }

  /** Number of agents by the kind of their mapping. */
  kinds(): Readonly<Record<Mapping['kind'], number>> {
    return this.#mappings.kinds();
  }

  /**
   * Forgets the mappings of silent agents. An agent whose channel is up keeps its mapping while the beacon hears no
   * other agent either, because then the beacon is cut off. To be called from time to time.
   */
  forgetSilent(): void {
    const now = this.#elapsed();
    const hears = this.#mappings.hears(now);
    const knows = hears || (this.#listening === null && !this.#others.any());
    if (knows && !this.#endedStored && now - this.#heardSince >= silenceMs) this.#endStored();
    for (const agent of this.#mappings.silent(now)) {
      const known = this.#agents.get(agent);
      if (this.#deps.connected(agent) && !hears) continue;
      this.#forget(agent);
      // Agents that use another beacon now are silent here.
      if (known !== undefined && !this.#others.see(agent)) this.#announcer.tell(known, { kind: 'undecided' });
    }
  }

  /** Other replicas came or ended. Agents of those that ended get the time to be heard elsewhere. */
  othersChanged(): void {
    this.#heardSince = this.#elapsed();
    this.#endedStored = false;
  }

  /** Another replica says that an agent is not seen any more. If it is heard here, that is wrong. */
  contradicted(agent: string): void {
    const known = this.#agents.get(agent);
    const mapping = this.#mappings.of(agent);
    if (known === undefined || mapping.kind === 'undecided') return;
    if (this.#mappings.hears(this.#elapsed(), agent)) this.#announcer.tell(known, mapping);
  }

  /**
   * Removes endpoints that replicas published that have ended, of agents that were not heard since. Several replicas may
   * do so at once.
   */
  #endStored(): void {
    this.#endedStored = true;
    publishedMappings(this.#deps.store).then(
      (agents) => {
        for (const agent of agents)
          if (!this.#mappings.has(agent.id) && !this.#others.see(agent.id))
            this.#announcer.tell(agent, { kind: 'undecided' });
      },
      (err) => this.#deps.log.warn({ err }, 'could not read the endpoints that the beacon has published'),
    );
  }

  async stop(): Promise<void> {
    this.#listening = null;
    this.#deps.placed?.();
    this.#announcer.stop();
    await Promise.all(this.#ports.map((port) => port.close()));
  }

  #makePorts(): BeaconPort[] {
    const { store, keys, log } = this.#deps;
    const known = new KnownAgents(store, log, (publicKey, agent) => this.#gone(publicKey, agent));
    return keys.ports.map(
      ({ privateKey }, index) =>
        new BeaconPort({
          ...{ privateKey, known, log, counters: this.counters },
          seen: (agent, source) => this.#seen(agent, index === 0 ? 0 : 1, source),
        }),
    );
  }

  async #tryPorts({ host, port }: NonNullable<BeaconSettings['listen']>): Promise<void> {
    try {
      this.#listening = await this.#open(host, port);
      this.#heardSince = this.#elapsed();
    } catch (error) {
      await Promise.all(this.#ports.map((each) => each.close()));
      const { code, message } = error as NodeJS.ErrnoException;
      this.#deps.log.warn(
        { host, ports: [port, port + 1], reason: code ?? message },
        'there is no beacon: its UDP ports cannot be opened. Set SALLYPORT_BEACON_LISTEN to two free ports, or to off',
      );
    }
  }

  async #open(host: string, port: number): Promise<number> {
    const [first, second] = this.#ports;
    if (first === undefined || second === undefined) throw new Error('a beacon has two ports');
    for (let attempt = 1; ; attempt++) {
      const base = await first.listen(host, port);
      try {
        await second.listen(this.#deps.secondAddress ?? host, base + 1);
        return base;
      } catch (error) {
        await Promise.all([first.close(), second.close()]);
        if (port !== 0 || attempt === freePortAttempts) throw error;
      }
    }
  }

  #seen(agent: KnownAgent, port: 0 | 1, source: string): void {
    this.#agents.set(agent.id, agent);
    const changed = this.#mappings.seen(agent.id, port, source, this.#elapsed());
    const mapping = changed ?? (this.#others.see(agent.id) ? this.#mappings.of(agent.id) : undecided);
    // Without a change, it is the first of them that another beacon has not heard.
    if (changed === null && mapping.kind === 'undecided') return;
    if (changed?.kind === 'independent') this.#deps.mapped(agent.id);
    this.#announcer.tell(agent, mapping);
  }

  #gone(publicKey: string, agent: string): void {
    for (const port of this.#ports) port.forget(publicKey);
    this.#forget(agent);
  }

  #forget(agent: string): void {
    this.#mappings.forget(agent);
    this.#agents.delete(agent);
  }
}

const undecided: Mapping = { kind: 'undecided' };
const freePortAttempts = 20;
