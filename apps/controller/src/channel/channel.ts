import type { Server } from 'node:http';
import { keyExchange } from '@sallyport/contract/channel';
import { type Admission, admit, type Shown } from './admission.ts';
import { AgentBudget } from './agent-budget.ts';
import { AgentEntry, type EntryHost } from './agent-entry.ts';
import { type ChannelCounters, countSent, newCounters } from './counters.ts';
import type { ChannelDeps } from './deps.ts';
import type { SourceReport } from './device-sources.ts';
import { Doorway, type DoorwayHost, type Visitor } from './doorway.ts';
import { ChannelEvents } from './events.ts';
import type { Place } from './gate.ts';
import { Heartbeats } from './heartbeats.ts';
import { endInSlices, isCutOff, leaseStart, watchContact } from './holding.ts';
import { moveLinks } from './key-move.ts';
import { canonicalKey, sameKey } from './keys.ts';
import { LastHandshakes } from './last-handshakes.ts';
import { type ChannelLimits, defaultLimits } from './limits.ts';
import { Link, type LinkEnding, type LinkHost } from './link.ts';
import { logFailure, logRefusal } from './log.ts';
import { Observations } from './observations.ts';
import { absent } from './presence.ts';
import { presentState } from './present-state.ts';
import type { RefusalCode } from './refusals.ts';
import { Session } from './session.ts';
import type { Hello, Proof, Report, SessionEffect } from './session-types.ts';
import { SourceBook } from './source-book.ts';
import { guardedTimers, systemTimers, type Timers } from './timers.ts';
import type { AgentRecord, Channel, LocalAgents, Presence } from './types.ts';
import { WorkQueue } from './work-queue.ts';

/** The channel as its owner uses it. */
export interface AgentChannel extends Channel, LocalAgents {
  /** Serves the channel path on this server. */
  attach(server: Server): void;
  counters(): Readonly<ChannelCounters>;
  /** Lets agents connect again whose connection has a key of the controller from before, some at a time. */
  moveToKey(): void;
}

/**
 * Returns the agent channel (docs/architecture.md, "A change, from the request to the packet"). Nothing happens before `attach`;
 * `stop` ends everything it began.
 */
export function createChannel(deps: ChannelDeps): AgentChannel {
  return new ChannelServer(deps);
}

type Admitted = Extract<Admission, { kind: 'admitted' }>;

class ChannelServer implements AgentChannel {
  readonly #deps: ChannelDeps;
  readonly #limits: ChannelLimits;
  readonly #timers: Timers;
  readonly #counters = newCounters();
  readonly #doorway: Doorway;
  readonly #observations: Observations;
  readonly #budget: AgentBudget;
  readonly #heartbeats: Heartbeats;
  readonly #entries = new Map<string, AgentEntry>();
  readonly #links = new Set<Link>();
  /** Links that still hold a place among the handshakes, and welcomed links. */
  readonly #handshaking = new Map<Link, Place>();
  readonly #live = new Set<Link>();
  readonly #handshakes = new LastHandshakes();
  readonly #sources: SourceBook;
  readonly #events = new ChannelEvents((agent, err) =>
    this.#deps.log.warn({ err, agent }, 'a listener to the channel failed'),
  );
  readonly #linkHost: LinkHost;
  readonly #entryHost: EntryHost;
  #cancelFlush: () => void = () => {};
  #cancelMove: () => void = () => {};
  #cancelWatch: () => void = () => {};
  /** Links of agents that another process has taken. */
  readonly #moved = new WeakSet<object>();
  #leaving = false;
  #stopped: Promise<void> | null = null;

  constructor(deps: ChannelDeps) {
    this.#deps = deps;
    const limits = (this.#limits = { ...defaultLimits, ...deps.limits });
    const { log } = deps;
    const timers = (this.#timers = guardedTimers(deps.timers ?? systemTimers, (err) =>
      log.warn({ err }, 'a timer of the agent channel failed'),
    ));
    const { clock, directory, states, peerAddress } = deps;
    const { graceMs = 15_000, enrolled = () => 0, heartbeatMs: leastMs } = deps;
    this.#heartbeats = new Heartbeats({ clock, enrolled, perSecond: limits.deviceHeartbeatsPerSecond, leastMs });
    const queue = new WorkQueue(timers, clock);
    const budget = (this.#budget = new AgentBudget(limits.storePace, clock));
    const presenceChanged = (agent: string) => this.#events.presence.tell(agent);
    const observations = (this.#observations = new Observations(directory, log, budget, presenceChanged));
    const opened = (visitor: Visitor) => this.#opened(visitor);
    const mayUpgrade: DoorwayHost['mayUpgrade'] = (...who) =>
      !this.#leaving && (deps.connections?.upgrading(...who) ?? true);
    this.#doorway = new Doorway({
      clock,
      timers,
      limits,
      counters: this.#counters,
      queue,
      peerAddress,
      mayUpgrade,
      opened,
      failed: (err) => log.warn({ err }, 'an upgrade to the agent channel failed'),
    });
    this.#linkHost = {
      ...{ clock, timers, limits, queue, isCutOff: () => isCutOff(deps) },
      carryOut: (link, effect) => this.#carryOut(link, effect),
      sent: ({ type }) => countSent(this.#counters, type),
      ended: (link, ending) => this.#ended(link, ending),
      answered: (link, ending) => this.#answered(link, ending),
      failed: (link, err) => logFailure(log, link, err),
    };
    const deviceHandshake = (tenant: string, device: string, at: number) => {
      observations.deviceSeen(tenant, device, at);
      if (this.#handshakes.note(device, at)) this.#events.reports.tell(device, 'handshake');
    };
    this.#sources = new SourceBook({
      limit: 500_000,
      entry: (agent) => this.#entries.get(agent),
      observations,
      moved: (...about) => deps.deviceMoved?.(...about),
      elsewhere: (...about) => deps.sourceElsewhere?.(...about) ?? false,
    });
    const deviceSource = (tenant: string, report: SourceReport) => this.#sources.reported(tenant, report);
    const deleted = (entry: AgentEntry) => this.#deleted(entry);
    const shared = { clock, timers, limits, graceMs, log, states, observations, queue, names: deps.names ?? null };
    const { unreachable = () => {} } = deps;
    const findPath: EntryHost['findPath'] = (...event) => this.#events.findPath(...event);
    const upgrading: EntryHost['upgrading'] = (...event) => this.#events.upgrading(...event);
    const { knownUnreachable } = deps;
    const more = { deviceHandshake, deviceSource, ...(knownUnreachable === undefined ? {} : { knownUnreachable }) };
    this.#entryHost = { ...shared, ...more, presenceChanged, unreachable, findPath, upgrading, deleted };
  }

  attach(server: Server): void {
    this.#doorway.attach(server);
    this.#flushLater();
    const { holding, clock } = this.#deps;
    if (holding === undefined) return;
    this.#cancelWatch();
    this.#cancelWatch = watchContact({ holding, clock, timers: this.#timers, links: this.#live });
  }

  presence(agent: string): Presence {
    return this.#entries.get(agent)?.view() ?? absent;
  }

  /** Everything about the agents of this process is at hand. */
  async gather(): Promise<void> {}

  sourceReported(tenant: string, report: SourceReport): void {
    this.#sources.decide(tenant, report);
  }

  lose(agent: string): void {
    const link = this.#entries.get(agent)?.link;
    if (link == null) return;
    this.#moved.add(link);
    link.input({ type: 'rejected', code: 'taken-over' });
  }

  status(agent: string) {
    return this.#entries.get(agent)?.status() ?? null;
  }

  async handOver(): Promise<void> {
    this.#leaving = true;
    await endInSlices(this.#live, this.#timers);
  }

  deviceLastHandshake(device: string): number | null {
    return this.#handshakes.of(device);
  }

  async probe(gateway: string, timeoutMs: number) {
    return (await this.#entries.get(gateway)?.probe(timeoutMs)) ?? null;
  }

  paths(agent: string) {
    return this.#entries.get(agent)?.paths ?? [];
  }

  relayTimes(agent: string) {
    return this.#entries.get(agent)?.relayTimes ?? new Map();
  }

  punch(agent: string, peer: string, endpoints: readonly string[]): boolean {
    return this.#entries.get(agent)?.punch(peer, endpoints) ?? false;
  }

  askUpgrade(gateway: string, asked: Parameters<Channel['askUpgrade']>[1]): boolean {
    return this.#entries.get(gateway)?.askUpgrade(asked) ?? false;
  }

  onUpgrading(listener: Parameters<Channel['onUpgrading']>[0]): () => void {
    return this.#events.onUpgrading(listener);
  }

  onFindPath(listener: Parameters<Channel['onFindPath']>[0]): () => void {
    return this.#events.onFindPath(listener);
  }

  onPresence(listener: (agent: string) => void): () => void {
    return this.#events.presence.add(listener);
  }

  onReport(listener: Parameters<Channel['onReport']>[0]): () => void {
    return this.#events.reports.add(listener);
  }

  counters(): Readonly<ChannelCounters> {
    const { handshaking, waiting } = this.#doorway;
    return { ...this.#counters, connected: this.#live.size, handshaking, waiting };
  }

  moveToKey(): void {
    this.#cancelMove();
    this.#cancelMove = moveLinks(this.#live, this.#timers);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#events.clear();
    this.#cancelFlush();
    this.#cancelMove();
    this.#cancelWatch();
    const closed = this.#doorway.close();
    for (const link of this.#links) link.goAway();
    for (const entry of this.#entries.values()) entry.stop();
    await closed;
    await this.#observations.finish();
  }

  #flushLater(): void {
    this.#cancelFlush();
    this.#cancelFlush = this.#timers.after(this.#limits.writeBehindMs, () => {
      void this.#observations
        .flush()
        .catch((err) => this.#deps.log.warn({ err }, 'what agents told could not be written'))
        .then(() => {
          if (this.#stopped === null) this.#flushLater();
        });
    });
  }

  #opened(visitor: Visitor): void {
    const { identity, randomBytes, clock } = this.#deps;
    const nonce = Buffer.from(randomBytes(32)).toString('base64');
    const exchange = keyExchange('controller', randomBytes(32));
    const settings = { identity, nonce, exchange, limits: this.#limits };
    const link = new Link(visitor, new Session(settings, clock()), this.#linkHost);
    this.#links.add(link);
    this.#handshaking.set(link, visitor.place);
    visitor.onEvicted(() => link.input({ type: 'evicted' }));
    link.start();
  }

  #carryOut(link: Link, effect: Exclude<SessionEffect, { kind: 'send' | 'seal' | 'end' }>): void {
    const entry = link.entry;
    if (effect.kind === 'admit') void this.#admit(link, effect);
    else if (entry === null) return;
    else if (effect.kind === 'report') this.#report(entry, effect.message);
    else void this.#load(link, entry);
  }

  #report(entry: AgentEntry, message: Report): void {
    entry.report(message);
    this.#events.reports.tell(entry.id, 'report');
  }

  async #admit(link: Link, shown: Shown): Promise<void> {
    const { hello, proof } = shown;
    this.#handshaking.get(link)?.proven();
    try {
      const admission = await admit(this.#deps.directory, shown, ({ tenant, id }) =>
        this.#budget.spend('key', tenant, id),
      );
      if (admission.kind === 'admitted') {
        if (admission.enrolled) this.#enrolled(link, admission.record);
        await this.#welcome(link, hello, proof, admission);
      } else this.#refused(link, hello, admission.code);
    } catch (error) {
      this.#deps.log.warn({ err: error, [hello.role]: hello.agent }, 'could not decide whether to admit an agent');
      link.input({ type: 'rejected', code: 'busy' });
    }
  }

  /** Reads the record after the state: a re-key or deletion is in the record, or arrives later as a change. */
  async #welcome(link: Link, hello: Hello, proof: Proof, admission: Admitted): Promise<void> {
    const { record: admitted, enrolled } = admission;
    const { directory, leaseMs, log, holding } = this.#deps;
    if (this.#leaving) return link.input({ type: 'rejected', code: 'busy' });
    const claim = await holding?.claim(admitted);
    if (link.over || this.#stopped !== null) return;
    const entry = this.#entry(admitted);
    entry.open();
    const { generation } = entry;
    const state = await presentState(this.#deps, admitted, proof.state?.revision);
    const found = await directory.agents[admitted.role].find(admitted.id);
    if (link.over || this.#stopped !== null) return;
    const record = found === 'deleted' ? null : found;
    const key = record?.identityKey ?? null;
    const same = key !== null && sameKey(key, canonicalKey(hello.identityKey) ?? '');
    const leaseFrom = () => leaseStart(holding, entry.id, claim);
    const decided = entry.generation === generation && (holding === undefined || leaseFrom() !== null);
    if (record === null || !same || state === null || !decided) return link.input({ type: 'rejected', code: 'busy' });
    link.entry = entry;
    const newHost = enrolled || admitted.wireguardPublicKey !== record.wireguardPublicKey;
    const agent = { version: hello.agentVersion, ...proof.host, ...(proof.upgrades && { upgrades: proof.upgrades }) };
    const present = this.#live.size + this.#doorway.handshaking + this.#doorway.waiting;
    const heartbeatMs = this.#heartbeats.intervalFor(entry.role, present);
    const hadElsewhere = holding?.hadElsewhere(entry.id) ?? null;
    entry.install(link, state, { agent, applied: proof.state ?? null, newHost, heartbeatMs, hadElsewhere });
    log.debug({ [entry.role]: entry.id, address: link.address }, 'agent connected');
    this.#live.add(link);
    this.#deps.connections?.proven(link.socket);
    const mapping = () => this.#deps.mapping?.(entry.id) ?? ({ kind: 'undecided' } as const);
    link.input({
      type: 'admitted',
      name: record.name,
      feed: entry.feed,
      state,
      leaseMs: () => leaseMs(record.tenant),
      leaseFrom: holding && leaseFrom,
      heartbeatMs,
      mapping,
    });
    this.#leaveDoor(link);
    // Other processes are told even when nothing is shown otherwise.
    if (holding !== undefined) this.#events.presence.tell(entry.id);
    if (link.session.knowsKey) this.#deps.followed?.(admitted);
  }

  async #load(link: Link, entry: AgentEntry): Promise<void> {
    try {
      const state = await this.#deps.states.current(entry.id, entry.tenant);
      if (state !== null) entry.feed.loaded(state);
      link.input({ type: 'loaded', state });
    } catch (error) {
      this.#deps.log.warn({ err: error, [entry.role]: entry.id }, 'could not load the desired state');
      link.input({ type: 'rejected', code: 'busy' });
    }
  }

  #enrolled(link: Link, record: AgentRecord): void {
    this.#counters.enrolled++;
    this.#deps.log.info({ [record.role]: record.id, address: link.address }, `${record.role} enrolled`);
  }

  #refused(link: Link, { role, agent }: Hello, code: RefusalCode): void {
    logRefusal(this.#deps.log, role, { [role]: agent, code, address: link.address });
    link.input({ type: 'rejected', code });
  }

  #ended(link: Link, ending: LinkEnding): void {
    const { code, phase } = ending;
    this.#links.delete(link);
    this.#counters.ended[code] = (this.#counters.ended[code] ?? 0) + 1;
    link.entry?.release(link);
    this.#live.delete(link);
    this.#leaveDoor(link);
    if (link.entry !== null) this.#deps.log.debug({ [link.entry.role]: link.entry.id, code }, 'agent gone');
    if (phase !== 'live' && code !== 'busy' && code !== 'lost') this.#doorway.failed(link.sources);
  }

  /** An agent that answers its replacement is a second one. The old connection of a reconnect gives no answer. */
  #answered(link: Link, { code }: LinkEnding): void {
    if (code !== 'taken-over' || link.entry === null || this.#moved.has(link)) return;
    this.#counters.takenOver++;
    const facts = { [link.entry.role]: link.entry.id, older: link.address, newer: link.entry.link?.address };
    this.#deps.log.warn(facts, 'two agents with the same identity; the newer took over; was the host copied?');
  }

  #leaveDoor(link: Link): void {
    this.#handshaking.get(link)?.leave();
    this.#handshaking.delete(link);
  }

  #entry(record: AgentRecord): AgentEntry {
    const known = this.#entries.get(record.id);
    if (known !== undefined) return known;
    const entry = new AgentEntry(record, this.#entryHost);
    this.#entries.set(record.id, entry);
    return entry;
  }

  #deleted(entry: AgentEntry): void {
    entry.stop();
    if (this.#entries.get(entry.id) === entry) this.#entries.delete(entry.id);
    this.#observations.forget(entry.id);
    this.#events.presence.tell(entry.id);
  }
}
