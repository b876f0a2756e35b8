import { randomUUID } from 'node:crypto';
import type {
  AgentRole,
  AskName,
  FindPath,
  Heartbeat,
  PathReport,
  ProbeResult,
  Revision,
  Upgrading,
} from '@sallyport/contract/channel';
import { AgentReports } from './agent-reports.ts';
import type { Position } from './delta-history.ts';
import { DeviceNotes } from './device-notes.ts';
import type { SourceReport } from './device-sources.ts';
import { FollowedState } from './followed-state.ts';
import { GatewayNotes } from './gateway-notes.ts';
import { HostClock } from './host-clock.ts';
import type { ChannelLimits } from './limits.ts';
import type { Log } from './log.ts';
import type { Observations } from './observations.ts';
import { AgentPresence, shownBy } from './presence.ts';
import { ProbeRequests } from './probes.ts';
import type { Session } from './session.ts';
import type { Report, SessionInput } from './session-types.ts';
import { SourceEndpoint } from './source-endpoint.ts';
import type { StateFeed } from './state-feed.ts';
import { Alarm, type Timers } from './timers.ts';
import type {
  AgentDescription,
  AgentRef,
  DesiredState,
  DesiredStates,
  NameRequests,
  Presence,
  SharedStatus,
  StateChange,
} from './types.ts';
import { UnreachableNotices } from './unreachable-notices.ts';
import type { WorkQueue } from './work-queue.ts';

/** Parts of the channel that an entry uses, and its callbacks. */
export interface EntryHost {
  readonly clock: () => number;
  readonly timers: Timers;
  readonly limits: ChannelLimits;
  readonly graceMs: number;
  readonly log: Log;
  readonly states: DesiredStates;
  readonly observations: Observations;
  readonly queue: WorkQueue;
  readonly presenceChanged: (agent: string) => void;
  /** A gateway reports a newer handshake of a device; `at`: epoch milliseconds. */
  readonly deviceHandshake: (tenant: string, device: string, at: number) => void;
  readonly deviceSource: (tenant: string, report: SourceReport) => void;
  /** The set of resources that a gateway cannot reach changed. */
  readonly unreachable: (tenant: string, gateway: string, resources: readonly string[]) => void;
  readonly knownUnreachable?: (gateway: string) => readonly string[];
  readonly findPath: (agent: AgentRef, request: Pick<FindPath, 'peer' | 'relay'>) => void;
  readonly upgrading: (agent: AgentRef, progress: Upgrading) => void;
  /** Null: no name is given. */
  readonly names: NameRequests | null;
  /** The gateway or device was deleted. The entry is not used any more. */
  readonly deleted: (entry: AgentEntry) => void;
}

/** The connection of an agent, as its entry uses it. */
export interface AgentLink {
  readonly address: string | null;
  readonly session: Pick<Session, 'leaseUntil'>;
  /** Tells the session that the desired state moved. The same function each time, so that a queue knows it. */
  readonly pump: () => void;
  input(input: SessionInput): void;
}

/** What an agent said before it was admitted. */
export interface Introduction {
  readonly agent: AgentDescription;
  /** State that it has in force; null: it does not know. */
  readonly applied: Position | null;
  /** It enrolled just now, or brings another WireGuard key. Nothing that is known from before describes its host. */
  readonly newHost: boolean;
  /** Interval of heartbeats that it is told. */
  readonly heartbeatMs: number;
  /** Hash of the state that another process wanted it to have until a moment ago; null: none did. */
  readonly hadElsewhere: string | null;
}

const olderDatabase =
  'The agent knows a later revision than the database of the controller has, and does not go back. The database seems to be an older copy: start the controller once with --new-epoch true.';

/** Refusals of an agent whose admission no longer holds. After `busy` it comes back. */
const refusals = { rekeyed: 'bad-identity', deleted: 'deleted', 'unknown-identity': 'busy' } as const;

/**
 * One gateway or native device whose agent is, or was, connected to this process. It joins the link to the agent, the
 * state that the agent should have, and what the agent reports.
 */
export class AgentEntry {
  readonly id: string;
  readonly tenant: string;
  readonly role: AgentRole;
  readonly #host: EntryHost;
  readonly #state: FollowedState;
  readonly #reports = new AgentReports();
  readonly #presence: AgentPresence;
  /** Null until somebody asks. */
  #requests: ProbeRequests | null = null;
  /** Null for devices: only gateways have probes, and an endpoint at their source. */
  readonly #unreachable: UnreachableNotices | null;
  readonly #endpoint: SourceEndpoint | null;
  readonly #clock: HostClock;
  /** By role: a gateway's own facts, or those that a client reports about its device. */
  readonly #notes: { readonly gateway: GatewayNotes | null; readonly device: DeviceNotes | null };
  readonly #alarm: Alarm;
  #link: AgentLink | null = null;
  #idleSince: number;
  #generation = 0;
  #leaseUntil: number | null = null;
  #shown: string;
  /** Revision for which the log already says that the database is older. */
  #laterTold: number | null = null;

  constructor({ id, tenant, role }: AgentRef, host: EntryHost) {
    const { observations, log } = host;
    this.id = id;
    this.tenant = tenant;
    this.role = role;
    this.#host = host;
    this.#idleSince = host.clock();
    this.#state = new FollowedState(id, host.states, host.limits);
    this.#presence = new AgentPresence(
      { graceMs: host.graceMs, settleMs: host.limits.settleMs },
      { wasDesired: (position) => this.feed.wasDesired(position), hash: () => this.feed.desired?.hash ?? null },
      this.#reports,
    );
    const isGateway = role === 'gateway';
    this.#unreachable = isGateway ? new UnreachableNotices((all) => host.unreachable(tenant, id, all)) : null;
    const seenAt = (endpoint: string) => observations.observe(tenant, id, { discoveredEndpoint: endpoint });
    this.#endpoint = isGateway ? new SourceEndpoint(seenAt) : null;
    this.#clock = new HostClock((skewMs) =>
      log.warn({ ...this.#named, skewMs }, "the clock of an agent's host is wrong: set it by NTP"),
    );
    this.#notes = {
      gateway: isGateway ? new GatewayNotes(tenant, id, observations) : null,
      device: isGateway ? null : new DeviceNotes(tenant, id, observations),
    };
    this.#alarm = new Alarm(host.timers, host.clock, () => this.#time());
    this.#shown = shownBy(this.view());
  }

  get feed(): StateFeed {
    return this.#state.feed;
  }

  get link(): AgentLink | null {
    return this.#link;
  }

  /** Changes whenever an earlier admission must be decided again. */
  get generation(): number {
    return this.#generation;
  }

  get paths(): readonly PathReport[] {
    return this.#reports.paths.paths;
  }

  get relayTimes(): ReadonlyMap<string, number> {
    return this.#reports.paths.relayTimes;
  }

  view(): Presence {
    return this.#presence.view(this.#host.clock());
  }

  /** What other processes are told. */
  status(): SharedStatus {
    const now = this.#host.clock();
    const { statistics: _, probes: _probes, clockSkewMs: _skew, names: _names, ...status } = this.view();
    return { ...status, heartbeatMs: this.#presence.heartbeatMs, until: this.#presence.aliveUntil(now) };
  }

  /** Follows the desired state from now on, if it does not yet. */
  open(): void {
    if (this.#link === null) this.#idleSince = this.#host.clock();
    this.#state.open((change) => this.#changed(change));
    this.#alarm.set(this.#idleSince + this.#host.limits.retentionMs);
  }

  stop(): void {
    this.#state.close();
    this.#alarm.stop();
    this.#requests?.abandon();
  }

  /** Makes the link's agent the agent of this entry, in place of any other. */
  install(
    link: AgentLink,
    state: DesiredState,
    { agent, applied, newHost, heartbeatMs, hadElsewhere }: Introduction,
  ): void {
    const now = this.#host.clock();
    const before = this.#link;
    const items = state.items();
    this.#link = link;
    this.feed.loaded(state);
    this.#reports.expectOnly(items);
    this.#unreachable?.resume(this.#host.knownUnreachable?.(this.id), this.#reports.probes);
    this.#reports.agent = agent;
    this.#clock.reset();
    this.#presence.beatsEvery(heartbeatMs);
    this.#presence.connected(applied, newHost, now, hadElsewhere);
    this.#compareRevisions(applied?.revision ?? null, state);
    before?.input({ type: 'rejected', code: 'taken-over' });
    this.#endpoint?.expect(items);
    this.#endpoint?.observe(link.address);
    this.#notes.device?.version(agent.version);
    this.#settled();
  }

  /** The link is over. */
  release(link: AgentLink): void {
    this.#host.queue.drop(link.pump);
    if (this.#link !== link) return;
    const now = this.#host.clock();
    this.#leaseUntil = link.session.leaseUntil;
    this.#link = null;
    this.#idleSince = now;
    this.#presence.disconnected(now);
    this.#reports.paths.forget();
    this.#requests?.abandon();
    this.#alarm.set(now + this.#host.limits.retentionMs);
    this.#settled();
  }

  report(message: Report): void {
    const now = this.#host.clock();
    this.#presence.heard(now);
    this.#hear(message, now);
    this.#settled();
  }

  /** False when no agent is connected. */
  punch(peer: string, endpoints: readonly string[]): boolean {
    this.#link?.input({ type: 'punched', message: { type: 'punch', peer, endpoints: [...endpoints] } });
    return this.#link !== null;
  }

  /** False when no agent is connected, or its host does not allow it. */
  askUpgrade(asked: { readonly request: string; readonly version: string }): boolean {
    if (this.#link === null || this.#reports.agent?.upgrades !== 'allowed') return false;
    this.#link.input({ type: 'upgrade-asked', message: { type: 'upgrade', ...asked } });
    return true;
  }

  probe(timeoutMs: number): Promise<readonly ProbeResult[] | null> {
    const link = this.#link;
    if (link === null) return Promise.resolve(null);
    this.#requests ??= new ProbeRequests(this.#host.timers);
    return this.#requests.ask(randomUUID(), timeoutMs, (request) => link.input({ type: 'ask', request }));
  }

  get #named() {
    return { [this.role]: this.id };
  }

  #changed(change: StateChange): void {
    const now = this.#host.clock();
    if (change.kind !== 'delta') {
      this.#generation++;
      if (change.kind === 'rekeyed') this.#presence.hold(this.#link?.session.leaseUntil ?? this.#leaseUntil, now);
      this.#link?.input({ type: 'rejected', code: refusals[change.kind] });
      if (change.kind === 'deleted') this.#host.deleted(this);
      return;
    }
    this.#presence.stateEnds(change);
    this.feed.changed(change);
    const lane = this.role === 'device' ? 'devices' : change.closes ? 'closing' : 'gateways';
    if (this.#link !== null) this.#host.queue.add(this.#link.pump, lane);
    this.#reports.expect(change.delta);
    this.#endpoint?.expect(change.delta.upserts);
    this.#endpoint?.observe(this.#link?.address ?? null);
    this.#presence.desiredMoved(now);
    this.#settled();
  }

  /** An agent that knows a later revision than the database does not go back: the database is an older copy. */
  #compareRevisions(known: Revision | null, { revision }: DesiredState): void {
    if (known === null || known.epoch !== revision.epoch || known.number <= revision.number) return;
    this.#presence.failed(olderDatabase);
    if (this.#laterTold === known.number) return;
    this.#laterTold = known.number;
    this.#host.log.warn({ ...this.#named, known: known.number, database: revision.number }, olderDatabase);
  }

  #hear(message: Report, now: number): void {
    switch (message.type) {
      case 'applied':
        this.#applied(message, now);
        break;
      case 'failed':
        this.#failed(message);
        break;
      case 'heartbeat':
        this.#heartbeat(message, now);
        break;
      case 'posture':
        this.#notes.device?.posture(message.facts, now);
        break;
      case 'find-path':
        this.#host.findPath(this, message);
        break;
      case 'upgrading':
        this.#host.upgrading(this, message);
        break;
      case 'ask-name':
        this.#answerName(message);
        break;
      case 'names-used':
        this.#host.names?.used(this, message.names);
        break;
      case 'noticed':
        this.#reports.probes.record(message.probes);
        break;
      case 'probed':
        this.#reports.probes.record(message.probes);
        this.#requests?.answered(message.request, message.probes);
        break;
    }
  }

  /** The answer follows the change of the state, if there is one, or comes before it: the agent waits for both. */
  #answerName({ name, device }: AskName): void {
    const link = this.#link;
    const answer = this.#host.names?.ask(this, name, device) ?? Promise.resolve('none' as const);
    void answer.then((outcome) => {
      link?.input({ type: 'answered-name', message: { type: 'named', name, outcome } });
    });
  }

  #applied({ revision, hash, tookMs }: Extract<Report, { type: 'applied' }>, now: number): void {
    this.#presence.applied({ revision, hash, tookMs }, 'acknowledged', now);
  }

  #failed({ code, message }: Extract<Report, { type: 'failed' }>): void {
    this.#presence.failed(message.replace(/[\p{Cc}\p{Cf}]+/gu, ' '));
    this.#host.log.info({ ...this.#named, code, error: message }, 'agent reported an error');
  }

  #heartbeat(message: Heartbeat, now: number): void {
    const { peers, probes, paths } = this.#reports;
    const skewMs = message.sentAt - now;
    this.#reports.clockSkewMs = skewMs;
    this.#clock.observe(skewMs);
    const { revision, hash } = message;
    if (revision === null || hash === null) this.#presence.unconfirmed(now);
    else this.#presence.applied({ revision, hash, tookMs: 0 }, 'heartbeat', now);
    for (const [device, at] of peers.record(message.peers, skewMs, now))
      this.#host.deviceHandshake(this.tenant, device, at);
    this.#observeSources(message, skewMs, now);
    paths.record(message);
    this.#reports.names = message.names ?? null;
    probes.record(message.probes);
    this.#presence.safeToStop(message.safeToStop);
  }

  /** An endpoint without a handshake was configured, not seen. */
  #observeSources({ peers }: Heartbeat, skewMs: number, now: number): void {
    for (const { peer: device, endpoint, lastHandshake } of peers) {
      if (endpoint === null || lastHandshake === null || !this.#reports.peers.expects(device)) continue;
      const handshake = Math.min(lastHandshake - skewMs, now);
      this.#host.deviceSource(this.tenant, { device, gateway: this.id, endpoint, handshake });
    }
  }

  #time(): void {
    const { clock, limits } = this.#host;
    if (this.#link === null && this.#state.isOpen) {
      const until = Math.max(this.#idleSince + limits.retentionMs, this.#presence.heldUntil ?? 0);
      if (clock() >= until) this.#state.close();
      else this.#alarm.set(until);
    }
    this.#settled();
  }

  /** Runs after every event: writes what must be durable and tells listeners what changed. */
  #settled(): void {
    const now = this.#host.clock();
    const view = this.#presence.view(now);
    if (this.#link !== null) this.#alarm.set(this.#notes.gateway?.update(view, this.#presence.confirmed, now) ?? null);
    this.#alarm.set(this.#presence.nextDeadline(now));
    this.#alarm.set(this.#unreachable?.update(this.#reports.probes.unreachable, now) ?? null);
    const shown = shownBy(view);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#host.presenceChanged(this.id);
  }
}
