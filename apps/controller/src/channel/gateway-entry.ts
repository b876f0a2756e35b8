import { randomUUID } from 'node:crypto';
import type { Heartbeat, ProbeResult, StateDelta, StateItem } from '@sallyport/contract/channel';
import type { SourceReport } from './device-sources.ts';
import { endpointText } from './endpoint.ts';
import { GatewayFeed } from './gateway-feed.ts';
import type { ChannelLimits } from './limits.ts';
import type { Link } from './link.ts';
import type { Log } from './log.ts';
import type { Observations } from './observations.ts';
import { AgentPresence, shownBy } from './presence.ts';
import { ProbeRequests } from './probes.ts';
import type { Hello, Proof, Report } from './session.ts';
import { Alarm, type Timers } from './timers.ts';
import type {
  AgentDescription,
  DesiredState,
  DesiredStates,
  GatewayPresence,
  GatewayRecord,
  StateChange,
} from './types.ts';
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
  readonly presenceChanged: (gateway: string) => void;
  readonly deviceHandshake: (device: string, at: number) => void;
  readonly deviceSource: (tenant: string, report: SourceReport) => void;
  /** The gateway was deleted; the entry is of no use any more. */
  readonly deleted: (entry: GatewayEntry) => void;
}

/** What an agent said before it was let in. */
export interface Introduction {
  readonly hello: Hello;
  readonly proof: Proof;
  /** It has only just enrolled, or brings another WireGuard key: nothing known from before is about its host. */
  readonly newHost: boolean;
}

const skewWarnMs = 60_000;

/** One gateway whose agent is, or was, connected to this process: what it should be, what it is, and the link to it. */
export class GatewayEntry {
  readonly id: string;
  readonly tenant: string;
  readonly #host: EntryHost;
  readonly #presence: AgentPresence;
  readonly #probes: ProbeRequests;
  readonly #alarm: Alarm;
  #feed: GatewayFeed;
  #unsubscribe: (() => void) | null = null;
  #link: Link | null = null;
  #idleSince: number;
  #generation = 0;
  #leaseUntil: number | null = null;
  #wireguardPort: number;
  #shown = '';
  #deployed = false;
  #errorWritten: string | null | undefined;
  #endpointWritten: string | null = null;
  #skewed = false;
  #agent: AgentDescription | null = null;

  constructor(record: GatewayRecord, host: EntryHost) {
    this.id = record.id;
    this.tenant = record.tenant;
    this.#wireguardPort = record.wireguardPort;
    this.#host = host;
    this.#idleSince = host.clock();
    this.#feed = new GatewayFeed(host.limits);
    this.#presence = new AgentPresence(
      { heartbeatMs: host.heartbeatMs, graceMs: host.graceMs, settleMs: host.limits.settleMs },
      { wasDesired: (position) => this.#feed.wasDesired(position), hash: () => this.#feed.desired?.hash ?? null },
    );
    this.#probes = new ProbeRequests(host.timers);
    this.#alarm = new Alarm(host.timers, host.clock, () => this.#time());
    this.#shown = shownBy(this.view());
  }

  get feed(): GatewayFeed {
    return this.#feed;
  }

  get link(): Link | null {
    return this.#link;
  }

  /** Changes whenever an admission that was decided before must be decided anew. */
  get generation(): number {
    return this.#generation;
  }

  view(): GatewayPresence {
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
    this.#feed = new GatewayFeed(this.#host.limits);
  }

  stop(): void {
    this.close();
    this.#alarm.stop();
    this.#probes.abandon();
  }

  /** The link's agent is this gateway's from now on, in place of any other. */
  install(link: Link, record: GatewayRecord, state: DesiredState, said: Introduction): void {
    const now = this.#host.clock();
    const before = this.#link;
    this.#link = link;
    this.#feed.loaded(state);
    this.#expectOnly(state.items());
    this.#wireguardPort = record.wireguardPort;
    this.#skewed = false;
    const { hello, proof, newHost } = said;
    this.#agent = { version: hello.agentVersion, ...proof.host };
    this.#presence.connected(proof.state ?? null, newHost, now);
    before?.input({ type: 'rejected', code: 'taken-over' });
    this.#observeEndpoint();
    this.#settled();
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
      this.#host.log.info(
        { gateway: this.id, code: message.code, error: message.message },
        'gateway reported an error',
      );
    } else if (message.type === 'heartbeat') this.#heartbeat(message, now);
    else {
      this.#presence.probed(message.probes);
      this.#probes.answered(message.request, message.probes);
    }
    this.#settled();
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
    if (change.kind === 'delta') this.#expect(change.delta);
    this.#presence.desiredMoved(now);
    if (this.#link !== null) this.#host.queue.add(this.#link.pump);
    this.#settled();
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
    this.#presence.probed(message.probes);
    this.#presence.safeToStop(message.safeToStop);
  }

  /** An endpoint without a handshake is one that was configured, not one that was seen. */
  #observeSources({ peers }: Heartbeat, skewMs: number, now: number): void {
    for (const { device, endpoint, lastHandshake } of peers) {
      if (endpoint === null || lastHandshake === null || !this.#presence.peers.expects(device)) continue;
      const handshake = Math.min(lastHandshake - skewMs, now);
      this.#host.deviceSource(this.tenant, { device, gateway: this.id, endpoint, handshake });
    }
  }

  #watchClock(skewMs: number): void {
    const skewed = Math.abs(skewMs) > skewWarnMs;
    if (skewed && !this.#skewed) {
      this.#host.log.warn(
        { gateway: this.id, skewMs },
        'the clock of the gateway host is wrong; leases end at wrong times',
      );
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
    const shown = shownBy(view);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#host.presenceChanged(this.id);
  }

  #note(view: GatewayPresence, now: number): void {
    const { observations } = this.#host;
    // Until the agent has said that all is well, an error from before this process may still stand.
    const error = view.error ?? (view.converged && this.#presence.confirmed ? null : this.#errorWritten);
    if (error !== undefined && error !== this.#errorWritten) {
      this.#errorWritten = error;
      observations.observe(this.id, { error });
    }
    if (!view.converged) return;
    if (!this.#deployed) observations.observe(this.id, { deployedAt: now });
    this.#deployed = true;
    if (view.error === null && view.lastSeen !== null) observations.online(this.id, view.lastSeen);
  }

  #observeEndpoint(): void {
    const address = this.#link?.address ?? null;
    if (address === null) return;
    const discoveredEndpoint = endpointText(address, this.#wireguardPort);
    if (discoveredEndpoint === this.#endpointWritten) return;
    this.#endpointWritten = discoveredEndpoint;
    this.#host.observations.observe(this.id, { discoveredEndpoint });
  }

  #expectOnly(items: readonly StateItem[]): void {
    this.#presence.peers.expectOnly(items.filter((item) => item.kind === 'device').map((item) => item.id));
    this.#presence.expectProbesOnly(new Set(items.filter((item) => item.kind === 'probe').map((item) => item.id)));
  }

  #expect(delta: StateDelta): void {
    for (const key of delta.removes) {
      if (key.startsWith('device/')) this.#presence.peers.forget(key.slice('device/'.length));
      else if (key.startsWith('probe/')) this.#presence.forgetProbe(key.slice('probe/'.length));
    }
    for (const item of delta.upserts) {
      if (item.kind === 'device') this.#presence.peers.expect(item.id);
      else if (item.kind === 'probe') this.#presence.expectProbe(item.id);
      else if (item.kind === 'gateway') {
        this.#wireguardPort = item.listenPort;
        this.#observeEndpoint();
      }
    }
  }
}
