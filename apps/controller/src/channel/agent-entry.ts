import { randomUUID } from 'node:crypto';
import type {
  AgentRole,
  FindPath,
  Heartbeat,
  PathReport,
  Posture,
  ProbeResult,
  Revision,
  StateDelta,
  StateItem,
} from '@sallyport/contract/channel';
import type { SourceReport } from './device-sources.ts';
import { endpointText } from './endpoint.ts';
import type { ChannelLimits } from './limits.ts';
import type { Link } from './link.ts';
import type { Log } from './log.ts';
import type { Observations } from './observations.ts';
import { Pace } from './pace.ts';
import { PathBook } from './path-book.ts';
import { AgentPresence, shownBy } from './presence.ts';
import { ProbeRequests } from './probes.ts';
import type { Hello, Proof, Report } from './session.ts';
import { StateFeed } from './state-feed.ts';
import { Alarm, type Timers } from './timers.ts';
import type { AgentDescription, AgentRecord, DesiredState, DesiredStates, Presence, StateChange } from './types.ts';
import type { WorkQueue } from './work-queue.ts';

export interface EntryHost {
  readonly clock: () => number;
  readonly timers: Timers;
  readonly limits: ChannelLimits;
  readonly heartbeatMs: number;
  readonly graceMs: number;
  readonly log: Log;
  readonly states: DesiredStates;
  readonly observations: Observations;
  readonly queue: WorkQueue;
  readonly presenceChanged: (agent: string) => void;
  readonly deviceHandshake: (device: string, at: number) => void;
  readonly deviceSource: (tenant: string, report: SourceReport) => void;
  /** Resources that a gateway cannot reach are others than before. */
  readonly unreachable: (tenant: string, gateway: string, resources: readonly string[]) => void;
  readonly findPath: (agent: AgentRecord, request: Pick<FindPath, 'peer' | 'relay'>) => void;
  /** The gateway or device was deleted; the entry is of no use any more. */
  readonly deleted: (entry: AgentEntry) => void;
}

/** What an agent said before it was let in. */
export interface Introduction {
  readonly hello: Hello;
  readonly proof: Proof;
  /** It has only just enrolled, or brings another WireGuard key: nothing known from before is about its host. */
  readonly newHost: boolean;
}

const skewWarnMs = 60_000;

const olderDatabase =
  'The agent knows a later revision than the database of the controller has, and does not go back. The database seems to be an older copy: start the controller once with --new-epoch true.';

/** Between changes of what a client tells of its device that are taken at once. */
const postureGapMs = 5_000;

/** One gateway or native device whose agent is, or was, connected to this process: what it should be, what it is, and the link to it. */
export class AgentEntry {
  readonly id: string;
  readonly tenant: string;
  readonly role: AgentRole;
  readonly #host: EntryHost;
  readonly #presence: AgentPresence;
  readonly #probes: ProbeRequests;
  readonly #paths = new PathBook();
  readonly #alarm: Alarm;
  #feed: StateFeed;
  #unsubscribe: (() => void) | null = null;
  #link: Link | null = null;
  #idleSince: number;
  #generation = 0;
  #leaseUntil: number | null = null;
  #record: AgentRecord;
  #shown = '';
  #deployed = false;
  #errorWritten: string | null | undefined;
  #endpointWritten: string | null = null;
  #skewed = false;
  #agent: AgentDescription | null = null;
  #unreachable: readonly string[] = [];
  /** Each change of these is work for every device that the gateway carries something for. */
  readonly #unreachablePace = new Pace(500, 8_000);
  readonly #errorPace = new Pace(500, 8_000);
  #versionTold: string | null = null;
  /** Revision for which it was said that the database is older. */
  #laterTold: number | null = null;
  #postureAt = Number.NEGATIVE_INFINITY;

  constructor(record: AgentRecord, host: EntryHost) {
    this.id = record.id;
    this.tenant = record.tenant;
    this.role = record.role;
    this.#record = record;
    this.#host = host;
    this.#idleSince = host.clock();
    this.#feed = new StateFeed(host.limits);
    this.#presence = new AgentPresence(
      { heartbeatMs: host.heartbeatMs, graceMs: host.graceMs, settleMs: host.limits.settleMs },
      { wasDesired: (position) => this.#feed.wasDesired(position), hash: () => this.#feed.desired?.hash ?? null },
    );
    this.#probes = new ProbeRequests(host.timers);
    this.#alarm = new Alarm(host.timers, host.clock, () => this.#time());
    this.#shown = shownBy(this.view());
  }

  get feed(): StateFeed {
    return this.#feed;
  }

  get link(): Link | null {
    return this.#link;
  }

  /** Changes whenever an admission that was decided before must be decided anew. */
  get generation(): number {
    return this.#generation;
  }

  view(): Presence {
    const view = this.#presence.view(this.#host.clock());
    return this.#agent === null ? view : Object.assign(view, { agent: this.#agent });
  }

  /** Follows the desired state from now on, if it does not yet. */
  open(): void {
    if (this.#link === null) this.#idleSince = this.#host.clock();
    this.#unsubscribe ??= this.#host.states.subscribe(this.id, (change) => this.#changed(change));
    this.#alarm.set(this.#idleSince + this.#host.limits.retentionMs);
  }

  close(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    this.#feed = new StateFeed(this.#host.limits);
  }

  stop(): void {
    this.close();
    this.#alarm.stop();
    this.#probes.abandon();
  }

  get paths(): readonly PathReport[] {
    return this.#paths.paths;
  }

  get relayTimes(): ReadonlyMap<string, number> {
    return this.#paths.relayTimes;
  }

  /** The link's agent is the one of this entry from now on, in place of any other. */
  install(link: Link, record: AgentRecord, state: DesiredState, said: Introduction): void {
    const now = this.#host.clock();
    const before = this.#link;
    this.#link = link;
    this.#feed.loaded(state);
    this.#expectOnly(state.items());
    this.#record = record;
    this.#skewed = false;
    const { hello, proof, newHost } = said;
    this.#agent = { version: hello.agentVersion, ...proof.host };
    this.#presence.connected(proof.state ?? null, newHost, now);
    this.#compareRevisions(proof.state?.revision ?? null, state);
    before?.input({ type: 'rejected', code: 'taken-over' });
    this.#observeEndpoint(record.wireguardPort);
    this.#tellVersion(hello.agentVersion);
    this.#settled();
  }

  /** An agent that knows a later revision than the database has would not go back: the database is an older copy. */
  #compareRevisions(known: Revision | null, { revision }: DesiredState): void {
    if (known === null || known.epoch !== revision.epoch || known.number <= revision.number) return;
    this.#presence.failed(olderDatabase);
    if (this.#laterTold === known.number) return;
    this.#laterTold = known.number;
    this.#host.log.warn({ ...this.#named, known: known.number, database: revision.number }, olderDatabase);
  }

  /** The link is over. */
  release(link: Link): void {
    this.#host.queue.drop(link.pump);
    if (this.#link !== link) return;
    const now = this.#host.clock();
    this.#leaseUntil = link.session.leaseUntil;
    this.#link = null;
    this.#idleSince = now;
    this.#presence.disconnected(now);
    this.#paths.forget();
    this.#probes.abandon();
    this.#alarm.set(now + this.#host.limits.retentionMs);
    this.#settled();
  }

  report(message: Report): void {
    const now = this.#host.clock();
    this.#presence.heard(now);
    if (message.type === 'applied') {
      const { revision, hash, tookMs } = message;
      this.#presence.applied({ revision, hash, tookMs }, 'acknowledged', now);
    } else if (message.type === 'failed') {
      this.#presence.failed(message.message.replace(/[\p{Cc}\p{Cf}]+/gu, ' '));
      this.#host.log.info({ ...this.#named, code: message.code, error: message.message }, 'agent reported an error');
    } else this.#hear(message, now);
    this.#settled();
  }

  /** False when no agent is connected. */
  punch(peer: string, endpoints: readonly string[]): boolean {
    this.#link?.input({ type: 'punched', message: { type: 'punch', peer, endpoints: [...endpoints] } });
    return this.#link !== null;
  }

  probe(timeoutMs: number): Promise<readonly ProbeResult[] | null> {
    const link = this.#link;
    if (link === null) return Promise.resolve(null);
    return this.#probes.ask(randomUUID(), timeoutMs, (request) => link.input({ type: 'ask', request }));
  }

  #changed(change: StateChange): void {
    const now = this.#host.clock();
    if (change.kind === 'rekeyed' || change.kind === 'deleted') {
      this.#generation++;
      if (change.kind === 'rekeyed') this.#presence.hold(this.#link?.session.leaseUntil ?? this.#leaseUntil, now);
      this.#link?.input({ type: 'rejected', code: change.kind === 'rekeyed' ? 'bad-identity' : 'deleted' });
      if (change.kind === 'deleted') this.#host.deleted(this);
      return;
    }
    this.#feed.changed(change);
    if (this.#link !== null) this.#host.queue.add(this.#link.pump);
    // Most revisions touch few of the many who hear of them: nothing else is another one by that.
    if (change.kind === 'revision') return;
    this.#expect(change.delta);
    this.#presence.desiredMoved(now);
    this.#settled();
  }

  get #named() {
    return { [this.role]: this.id };
  }

  #hear(message: Exclude<Report, { type: 'applied' | 'failed' }>, now: number): void {
    if (message.type === 'heartbeat') this.#heartbeat(message, now);
    else if (message.type === 'posture') this.#postureTold(message, now);
    else if (message.type === 'find-path') this.#host.findPath(this.#record, message);
    else {
      this.#presence.probed(message.probes);
      if (message.type === 'probed') this.#probes.answered(message.request, message.probes);
    }
  }

  /** The first is known at once; of one that changes all the time, now and then. */
  #postureTold({ facts }: Posture, now: number): void {
    const soon = now - this.#postureAt < postureGapMs;
    if (!soon) this.#postureAt = now;
    this.#host.observations.deviceTold(this.tenant, this.id, { posture: facts }, soon);
  }

  #heartbeat(message: Heartbeat, now: number): void {
    const skewMs = message.sentAt - now;
    this.#watchClock(skewMs);
    const { revision, hash } = message;
    if (revision === null || hash === null) this.#presence.unconfirmed(now);
    else this.#presence.applied({ revision, hash, tookMs: 0 }, 'heartbeat', now);
    for (const [device, at] of this.#presence.peers.record(message.peers, skewMs, now)) {
      this.#host.deviceHandshake(device, at);
      this.#host.observations.deviceSeen(this.tenant, device, at);
    }
    this.#observeSources(message, skewMs, now);
    this.#paths.record(message);
    this.#presence.probed(message.probes);
    this.#presence.safeToStop(message.safeToStop);
  }

  /** An endpoint without a handshake is one that was configured, not one that was seen. */
  #observeSources({ peers }: Heartbeat, skewMs: number, now: number): void {
    for (const { peer: device, endpoint, lastHandshake } of peers) {
      if (endpoint === null || lastHandshake === null || !this.#presence.peers.expects(device)) continue;
      const handshake = Math.min(lastHandshake - skewMs, now);
      this.#host.deviceSource(this.tenant, { device, gateway: this.id, endpoint, handshake });
    }
  }

  #watchClock(skewMs: number): void {
    this.#presence.clockSkewMs = skewMs;
    const skewed = Math.abs(skewMs) > skewWarnMs;
    if (skewed && !this.#skewed) {
      this.#host.log.warn({ ...this.#named, skewMs }, "the clock of an agent's host is wrong: set it by NTP");
    }
    this.#skewed = skewed;
  }

  #time(): void {
    const { clock, limits } = this.#host;
    if (this.#link === null && this.#unsubscribe !== null) {
      const until = Math.max(this.#idleSince + limits.retentionMs, this.#presence.heldUntil ?? 0);
      if (clock() >= until) this.close();
      else this.#alarm.set(until);
    }
    this.#settled();
  }

  /** After anything that happened: tells whoever wants to know, and notes what must be durable. */
  #settled(): void {
    const now = this.#host.clock();
    const view = this.#presence.view(now);
    if (this.#link !== null) this.#note(view, now);
    this.#alarm.set(this.#presence.nextDeadline(now));
    this.#tellUnreachable(now);
    const shown = shownBy(view);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#host.presenceChanged(this.id);
  }

  #tellUnreachable(now: number): void {
    const { unreachable } = this.#presence;
    if (unreachable === this.#unreachable) return;
    const { next } = this.#unreachablePace;
    const early = now < next;
    // What is lost is told at once, so that devices go elsewhere; what is back waits, or a flapping one would busy everybody.
    const told = early ? [...new Set([...this.#unreachable, ...unreachable])].sort() : unreachable;
    if (early) this.#alarm.set(next);
    const same = told.join() === this.#unreachable.join();
    if (!same || !early) this.#unreachable = told;
    if (same) return;
    this.#unreachablePace.went(now);
    this.#host.unreachable(this.tenant, this.id, told);
  }

  /** What must outlive the process. Of devices, what gateways tell and the client's own messages do. */
  #note(view: Presence, now: number): void {
    if (this.role !== 'gateway') return;
    const { observations } = this.#host;
    // Until the agent has said that all is well, an error from before this process may still stand.
    const error = view.error ?? (view.converged && this.#presence.confirmed ? null : this.#errorWritten);
    if (error !== undefined && error !== this.#errorWritten) this.#noteError(error, now);
    if (!view.converged) return;
    if (!this.#deployed) observations.observe(this.tenant, this.id, { deployedAt: now });
    this.#deployed = true;
    if (view.error === null && view.lastSeen !== null) observations.online(this.id, view.lastSeen);
  }

  #noteError(error: string | null, now: number): void {
    if (now < this.#errorPace.next) {
      this.#alarm.set(this.#errorPace.next);
      return;
    }
    if (this.#errorWritten !== undefined) this.#errorPace.went(now);
    this.#errorWritten = error;
    this.#host.observations.observe(this.tenant, this.id, { error });
  }

  #tellVersion(agentVersion: string): void {
    if (this.role !== 'device' || agentVersion === this.#versionTold) return;
    this.#versionTold = agentVersion;
    this.#host.observations.deviceTold(this.tenant, this.id, { agentVersion }, false);
  }

  #observeEndpoint(wireguardPort: number | null): void {
    const address = this.#link?.address ?? null;
    if (address === null || wireguardPort === null) return;
    const discoveredEndpoint = endpointText(address, wireguardPort);
    if (discoveredEndpoint === this.#endpointWritten) return;
    this.#endpointWritten = discoveredEndpoint;
    this.#host.observations.observe(this.tenant, this.id, { discoveredEndpoint });
  }

  #expectOnly(items: readonly StateItem[]): void {
    this.#presence.peers.expectOnly(items.filter((item) => item.kind === 'device').map((item) => item.id));
    this.#presence.expectProbesOnly(items.filter((item) => item.kind === 'probe'));
    this.#paths.expectOnly(items);
  }

  #expect(delta: StateDelta): void {
    this.#paths.expect(delta);
    for (const key of delta.removes) {
      if (key.startsWith('device/')) this.#presence.peers.forget(key.slice('device/'.length));
      else if (key.startsWith('probe/')) this.#presence.forgetProbe(key.slice('probe/'.length));
    }
    for (const item of delta.upserts) {
      if (item.kind === 'device') this.#presence.peers.expect(item.id);
      else if (item.kind === 'probe') this.#presence.expectProbe(item);
      else if (item.kind === 'gateway') this.#observeEndpoint(item.listenPort);
    }
  }
}
