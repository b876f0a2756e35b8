import { ProbeResult, Punch, Upgrade } from '@sallyport/contract/channel';
import { z } from 'zod';
import type { Replicas } from '../../replicas/types.ts';
import type { SourceReport } from '../device-sources.ts';
import type { Holding } from '../holding.ts';
import { Listeners } from '../listeners.ts';
import type { Log } from '../log.ts';
import type { Timers } from '../timers.ts';
import type { Channel, LocalAgents, Presence, ReportKind } from '../types.ts';
import { type AgentHolders, Claims } from './claims.ts';
import { ForeignAgents, statusKind } from './foreign-agents.ts';
import { ForeignReports } from './foreign-reports.ts';
import type { SharedReports } from './report-form.ts';
import { SourceReports } from './source-reports.ts';

/** What the view of all agents is made from. */
export interface AllAgentsDeps {
  readonly replicas: Replicas;
  readonly holders: AgentHolders;
  /** Time of the database, epoch milliseconds. */
  readonly clock: () => number;
  readonly timers: Timers;
  /** Live process that decided about the source of a device last; null: none, or this one. */
  readonly sourceDecider?: (device: string) => string | null;
  readonly log: Log;
}

const topics = { punch: 'punch-agent', probe: 'probe-agent', upgrade: 'upgrade-agent' } as const;
/** Time for a message on its way, beside the time for the work that it asks for. */
const messageMs = 500;

/**
 * The agents of all processes that share a database, as the rest of the controller uses them: those of this process from
 * its own channel, the others from what their processes tell.
 */
export class AgentsOfAll implements Channel {
  readonly claims: Claims;
  readonly #deps: AllAgentsDeps;
  readonly #foreign: ForeignAgents;
  readonly #reports: ForeignReports;
  readonly #sources: SourceReports;
  readonly #presence: Listeners<[agent: string]>;
  readonly #reported: Listeners<Parameters<Parameters<Channel['onReport']>[0]>>;
  #local: (Channel & LocalAgents) | null = null;

  constructor(deps: AllAgentsDeps) {
    this.#deps = deps;
    const { replicas, clock, timers, log } = deps;
    const failed = (agent: string, err: unknown) => log.warn({ err, agent }, 'a listener to the agents failed');
    this.#presence = new Listeners(failed);
    this.#reported = new Listeners(failed);
    this.claims = new Claims({ ...deps, lost: (agent) => this.#here.lose(agent) });
    this.#foreign = new ForeignAgents({
      ...{ replicas, clock, timers, log },
      changed: (agent) => this.#presence.tell(agent),
      notWelcomed: (agent) => this.#notWelcomed(agent),
    });
    this.#reports = new ForeignReports({
      ...{ replicas, clock, timers },
      holder: (agent) => this.#holder(agent),
      reports: (agent, kind) => this.#ownReports(agent, kind),
      reported: (agent) => this.#reported.tell(agent, 'report'),
    });
    this.#sources = new SourceReports({
      ...{ replicas, timers },
      decider: (device) => this.#holder(device) ?? deps.sourceDecider?.(device) ?? null,
      decide: (tenant, report) => this.#here.sourceReported(tenant, report),
    });
    this.#serve();
  }

  /** What the channel of this process needs of the others. */
  get holding(): Holding {
    const { replicas } = this.#deps;
    return {
      claim: async (agent) => {
        const generation = await this.claims.claim(agent);
        this.#foreign.taken(agent.id);
        return generation;
      },
      generation: (agent) => this.claims.generation(agent),
      hadElsewhere: (agent) => {
        const { converged = false, applied = null } = this.#foreign.status(agent) ?? {};
        return converged ? (applied?.hash ?? null) : null;
      },
      maySign: () => replicas.maySign(),
      lastContact: () => replicas.lastContact(),
    };
  }

  /**
   * Passes a report about the source of a device on, if another process decides about the device. While the process of its
   * channel has ended, nothing is believed.
   */
  passSourceOn(tenant: string, report: SourceReport): boolean {
    if (this.#isForeign(report.device) && this.#holder(report.device) === null) return true;
    return this.#sources.passOn(tenant, report);
  }

  /** Joins the channel of this process, which is made after its claims. */
  join(local: Channel & LocalAgents): this {
    this.#local = local;
    local.onPresence((agent) => {
      this.#publish(agent);
      this.#presence.tell(agent);
    });
    local.onReport((id, what) => {
      if (what === 'report') this.#reports.heard(id);
      this.#reported.tell(id, what);
    });
    return this;
  }

  presence(agent: string): Presence {
    const local = this.#here.presence(agent);
    // One that this process has taken stays as it was shown until it is welcomed.
    if (local.connected && !this.#isForeign(agent)) return local;
    const status = this.#foreign.status(agent);
    if (status === null) return local;
    const { applied, statistics, clockSkewMs } = this.#reports.of(agent, 'statistics').statistics ?? {
      ...nothing,
      applied: status.applied,
    };
    const probes = new Map((this.#reports.of(agent, 'probes').probes ?? []).map((probe) => [probe.id, probe]));
    return { ...status, applied, statistics, clockSkewMs, probes };
  }

  deviceLastHandshake(device: string): number | null {
    return this.#here.deviceLastHandshake(device);
  }

  async gather(agents: readonly string[], kind: ReportKind): Promise<void> {
    const foreign = agents.filter((agent) => this.#isForeign(agent));
    if (foreign.length > 0) await this.#reports.gather(foreign, kind);
  }

  async probe(gateway: string, timeoutMs: number): Promise<readonly ProbeResult[] | null> {
    const holder = this.#holder(gateway);
    if (holder === null) return this.#here.probe(gateway, timeoutMs);
    const { replicas } = this.#deps;
    const answer = await replicas.ask(holder, topics.probe, { gateway, timeoutMs }, timeoutMs + messageMs);
    return z.array(ProbeResult).safeParse(answer).data ?? null;
  }

  paths(agent: string) {
    if (!this.#isForeign(agent)) return this.#here.paths(agent);
    return this.#reports.of(agent, 'paths').paths?.paths ?? [];
  }

  relayTimes(agent: string): ReadonlyMap<string, number> {
    if (!this.#isForeign(agent)) return this.#here.relayTimes(agent);
    return new Map(this.#reports.of(agent, 'paths').paths?.times ?? []);
  }

  punch(agent: string, peer: string, endpoints: readonly string[]): boolean {
    const holder = this.#holder(agent);
    if (holder === null) return this.#here.punch(agent, peer, endpoints);
    this.#deps.replicas.tell(holder, topics.punch, { agent, peer, endpoints });
    return this.presence(agent).connected;
  }

  askUpgrade(gateway: string, asked: Parameters<Channel['askUpgrade']>[1]): boolean {
    const holder = this.#holder(gateway);
    if (holder === null) return this.#here.askUpgrade(gateway, asked);
    const { connected, agent } = this.presence(gateway);
    if (!connected || agent?.upgrades !== 'allowed') return false;
    this.#deps.replicas.tell(holder, topics.upgrade, { gateway, ...asked });
    return true;
  }

  /** Agents report to the process that has them. What comes of it is in the database. */
  onUpgrading(listener: Parameters<Channel['onUpgrading']>[0]): () => void {
    return this.#here.onUpgrading(listener);
  }

  onFindPath(listener: Parameters<Channel['onFindPath']>[0]): () => void {
    return this.#here.onFindPath(listener);
  }

  onPresence(listener: (agent: string) => void): () => void {
    return this.#presence.add(listener);
  }

  onReport(listener: Parameters<Channel['onReport']>[0]): () => void {
    return this.#reported.add(listener);
  }

  /** Ends what follows the other processes. The channel of this process is stopped by its owner. */
  async stop(): Promise<void> {
    this.claims.stop();
    this.#foreign.stop();
    this.#reports.stop();
    this.#sources.stop();
    this.#presence.clear();
    this.#reported.clear();
  }

  get #here(): Channel & LocalAgents {
    if (this.#local === null) throw new Error('the channel of this process comes first');
    return this.#local;
  }

  /** Whether another process had the agent later than this one. */
  #isForeign(agent: string): boolean {
    const foreign = this.#foreign.generation(agent);
    if (foreign === undefined) return false;
    return foreign > (this.claims.generation(agent) ?? 0);
  }

  #holder(agent: string): string | null {
    return this.#isForeign(agent) ? this.#foreign.holder(agent) : null;
  }

  #publish(agent: string): void {
    const held = this.claims.held(agent);
    if (held === null) return;
    const { id: object, tenant, generation } = held;
    const status = this.#here.status(agent);
    this.#deps.replicas.facts.publish({ tenant, kind: statusKind, object, value: status, generation });
    if (status === null) this.claims.forget(agent);
    else if (!this.#isForeign(agent)) this.#foreign.forget(agent);
  }

  /** An agent that was taken and did not come in has no connection anywhere. No other process can tell. */
  #notWelcomed(agent: string): void {
    if (this.claims.held(agent) === null || this.#here.presence(agent).connected) return;
    this.#publish(agent);
    this.#foreign.forget(agent);
  }

  #ownReports(agent: string, kind: ReportKind): SharedReports | null {
    const local = this.#here;
    if (this.claims.generation(agent) === undefined) return null;
    if (kind === 'paths') return { paths: { paths: local.paths(agent), times: [...local.relayTimes(agent)] } };
    const { applied, statistics, clockSkewMs, probes } = local.presence(agent);
    return kind === 'probes' ? { probes: [...probes.values()] } : { statistics: { applied, statistics, clockSkewMs } };
  }

  #serve(): void {
    const { replicas } = this.#deps;
    const mine = (agent: string) => this.claims.generation(agent) !== undefined;
    replicas.handle(topics.punch, (body) => {
      const { agent, peer, endpoints } = PunchOf.parse(body);
      if (mine(agent)) this.#here.punch(agent, peer, endpoints);
    });
    replicas.handle(topics.upgrade, (body) => {
      const { gateway, request, version } = UpgradeOf.parse(body);
      if (mine(gateway)) this.#here.askUpgrade(gateway, { request, version });
    });
    replicas.handle(topics.probe, async (body) => {
      const { gateway, timeoutMs } = ProbeOf.parse(body);
      return mine(gateway) ? this.#here.probe(gateway, timeoutMs) : null;
    });
  }
}

const PunchOf = Punch.omit({ type: true }).extend({ agent: z.string() });
const UpgradeOf = Upgrade.omit({ type: true }).extend({ gateway: z.string() });
const ProbeOf = z.object({ gateway: z.string(), timeoutMs: z.number().min(0).max(60_000) });

/** Statistics of an agent about which nothing came in time. */
const nothing: Pick<Presence, 'statistics' | 'clockSkewMs'> = {
  statistics: { connectedDevices: 0, bytesIn: 0, bytesOut: 0, lastHandshake: null },
  clockSkewMs: null,
};
