import { randomInt } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import type { PostgresDatabase } from '../db/postgres/open.ts';
import type { Sharing } from '../db/postgres/session.ts';
import { beat, endReplica, forgetReplicas, headsOf, otherReplicas } from '../db/replica-rows.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import type { ReplicaFigures } from '../http/replica-metrics.ts';
import { thisReplica } from './alone.ts';
import { CommitNotices, readNotice } from './commit-notices.ts';
import { Joiner, type Message, partsOf } from './messages.ts';
import { StoredFacts } from './stored-facts.ts';
import type { MessageHandler, Replica, Replicas } from './types.ts';

/** Times in milliseconds. */
const [pollMs, beatMs, leaseMs] = [500, 2_000, 6_000];
/** How long a replica without a session counts as alive: it may be connecting again. */
const detachedMs = 1_000;
/** Silence of the database after which nothing is signed. */
const signingMs = 10_000;
/** Rows of replicas that ended this long ago are removed. */
const forgottenMs = 24 * 3600_000;
/** Questions that wait for an answer at the same time. */
const mostQuestions = 10_000;
/** Warnings that are remembered, so that they are not repeated. */
const mostWarnings = 1_000;

const everybody = 'sallyport';
const channelOf = (id: string): string => `sallyport_${id.replaceAll('-', '')}`;

/** Names a process before it has a database. */
export interface Identity {
  readonly self: Replica;
  readonly sharing: Sharing;
}

/** Makes the name of this process among the replicas. When it began, the database tells later. */
export function newIdentity(version: string): Identity {
  const self = thisReplica(version, 0);
  return { self, sharing: { key: randomInt(2 ** 31), channels: [everybody, channelOf(self.id)] } };
}

/** This process among those that share a PostgreSQL database (docs/decisions/0030). */
export class SharedReplicas implements Replicas {
  self: Replica;
  readonly facts: StoredFacts;
  readonly #key: number;
  readonly #database: PostgresDatabase;
  readonly #store: Store;
  readonly #log: FastifyBaseLogger;
  readonly #handlers = new Map<string, MessageHandler>();
  readonly #listeners = new Set<() => void>();
  readonly #questions = new Map<number, (answer: unknown) => void>();
  readonly #joiner = new Joiner();
  readonly #commits: CommitNotices;
  readonly #detachedAt = new Map<string, number>();
  #others = new Map<string, Replica>();
  #timer: NodeJS.Timeout | null = null;
  #polling: Promise<void> | null = null;
  #beatAt = Number.NEGATIVE_INFINITY;
  #lastQuestion = 0;
  #lastMessage = 0;
  readonly #counters = { sent: 0, received: 0, dropped: 0 };
  readonly #warned = new Set<string>();
  #behind = 0;
  /** Whether the notice that listeners get comes from another replica. */
  #foreign = false;
  #stopped = false;
  /** Counts the agents that are connected here. */
  agents: () => number = () => 0;

  constructor({ self, sharing }: Identity, database: PostgresDatabase, store: Store, log: FastifyBaseLogger) {
    this.self = { ...self, startedAt: database.now(), seenAt: database.now() };
    this.#key = sharing.key;
    this.#database = database;
    this.#store = store;
    this.#log = log;
    this.facts = new StoredFacts({
      store,
      self: self.id,
      stored: () => this.#tellFacts(),
      failed: (err) => log.warn({ err }, 'facts could not be stored or read; will try again'),
    });
    this.#commits = new CommitNotices(
      () => !this.#isAlone,
      (text) => void database.notify(everybody, `C ${self.id} ${text}`),
    );
    store.onCommit(({ tenant, revision }) => {
      if (!this.#foreign) this.#commits.committed(tenant, revision);
    });
  }

  /** Makes this replica known. To be called before it serves. */
  async start(): Promise<void> {
    await forgetReplicas(this.#db, this.#store.now() - forgottenMs);
    await this.#pollNow();
    this.#timer = setInterval(() => void this.#poll(), pollMs).unref();
  }

  /** Stores what was published, and tells the others that this replica has ended. */
  async stop(): Promise<void> {
    this.abandon();
    await this.#polling;
    await this.facts.settled().catch((err: unknown) => this.#log.warn({ err }, 'facts could not be stored'));
    this.#commits.tell();
    await endReplica(this.#db, this.self.id, this.#store.now() - leaseMs).catch(() => undefined);
  }

  /** Ends at once, as a killed process does. */
  abandon(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  others(): readonly Replica[] {
    return [...this.#others.values()];
  }

  isAlive(id: string): boolean {
    return id === this.self.id || this.#others.has(id);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Returns figures for metrics. */
  figures(): ReplicaFigures {
    return {
      alive: this.#others.size + 1,
      behind: this.#behind,
      silentSeconds: this.#database.silentMs() / 1000,
      messages: this.#counters,
      facts: { stored: this.facts.number, read: this.facts.heardCount },
    };
  }

  lastContact(): number {
    return this.#store.now() - Math.ceil(this.#database.silentMs());
  }

  maySign(): boolean {
    return this.#database.silentMs() < signingMs;
  }

  announceBeacon(beacon: unknown): void {
    this.self = { ...this.self, beacon };
    this.#beatAt = Number.NEGATIVE_INFINITY;
    void this.#poll();
  }

  tell(to: string, topic: string, body: unknown): void {
    if (to === 'others' && this.#isAlone) return;
    this.#send(to === 'others' ? everybody : channelOf(to), { kind: 'tell', topic, body, question: 0 });
  }

  ask(to: string, topic: string, body: unknown, timeoutMs: number): Promise<unknown> {
    const question = ++this.#lastQuestion;
    if (!this.#others.has(to) || this.#questions.size >= mostQuestions) return Promise.resolve(null);
    return new Promise((resolve) => {
      const settle = (answer: unknown) => {
        clearTimeout(timer);
        this.#questions.delete(question);
        resolve(answer);
      };
      const timer = setTimeout(() => settle(null), timeoutMs);
      this.#questions.set(question, settle);
      if (!this.#send(channelOf(to), { kind: 'ask', topic, body, question })) settle(null);
    });
  }

  handle(topic: string, handler: MessageHandler): void {
    this.#handlers.set(topic, handler);
  }

  /** Takes a notification of the database. */
  heard(payload: string): void {
    const [kind, from, rest] = /^(\w) (\S+) (.*)$/s.exec(payload)?.slice(1) ?? [];
    if (from === this.self.id || this.#stopped) return;
    try {
      if (kind === 'C' && rest !== undefined)
        for (const { tenant, revision } of readNotice(rest)) this.#noticed(tenant, revision);
      else if (kind === 'F' && from !== undefined) this.#heardFacts(from, Number(rest));
      else if (kind === 'M' && from !== undefined && rest !== undefined) this.#heardPart(from, rest);
      else this.#warnOnce(`kind ${kind}`, { kind }, 'a notification of a kind that this version does not know');
    } catch (err) {
      this.#warnOnce(`from ${from}`, { err, replica: from }, 'a notification of another replica could not be read');
    }
  }

  /** The database answers again after a time without it. */
  back(): void {
    this.facts.again();
    this.#beatAt = Number.NEGATIVE_INFINITY;
    void this.#poll();
  }

  get #isAlone(): boolean {
    return this.#others.size === 0;
  }

  get #db() {
    return unscoped(this.#store.db, 'a replica works for all tenants');
  }

  #tellFacts(): void {
    if (!this.#isAlone) this.#database.notify(everybody, `F ${this.self.id} ${this.facts.number}`);
  }

  /** The first thing that a replica tells of is its facts. */
  #heardFacts(from: string, number: number): void {
    this.facts.heard(from, number);
    // A look under way may have been too early.
    if (!this.#others.has(from)) void Promise.resolve(this.#polling).then(() => this.#poll());
  }

  #noticed(tenant: string, revision: number): void {
    this.#foreign = true;
    try {
      this.#store.noticed({ tenant, revision });
    } finally {
      this.#foreign = false;
    }
  }

  /** Returns false when the message is too long. */
  #send(channel: string, message: Message): boolean {
    const parts = partsOf(message);
    if (parts === null) {
      this.#log.warn({ topic: message.topic }, 'a message to another replica is too long');
      return false;
    }
    const name = ++this.#lastMessage;
    this.#counters.sent++;
    const whole = parts.every((part) => this.#database.notify(channel, `M ${this.self.id} ${name} ${part}`));
    if (!whole) this.#counters.dropped++;
    return whole;
  }

  #heardPart(from: string, text: string): void {
    const space = text.indexOf(' ');
    const message = this.#joiner.take(`${from} ${text.slice(0, space)}`, text.slice(space + 1));
    if (message === null) return;
    this.#counters.received++;
    const { kind, topic, body, question } = message;
    if (kind === 'answer') this.#questions.get(question)?.(body ?? null);
    else void this.#handle(from, topic, body, kind === 'ask' ? question : null);
  }

  async #handle(from: string, topic: string, body: unknown, question: number | null): Promise<void> {
    let answer: unknown = null;
    const handler = this.#handlers.get(topic);
    if (handler === undefined)
      this.#warnOnce(`topic ${topic}`, { topic }, 'a message of another replica that this version does not know');
    try {
      answer = (await handler?.(body, from)) ?? null;
    } catch (err) {
      this.#warnOnce(`${topic} ${from}`, { err, topic }, 'a message of another replica could not be handled');
    }
    if (question !== null) this.#send(channelOf(from), { kind: 'answer', topic, body: answer, question });
  }

  /** Another version may send the same again and again. */
  #warnOnce(about: string, facts: object, text: string): void {
    if (this.#warned.has(about)) return;
    if (this.#warned.size >= mostWarnings) this.#warned.clear();
    this.#warned.add(about);
    this.#log.warn(facts, `${text}; it is dropped, and so are others like it`);
  }

  /** What notifications have lost is found by looking. */
  #poll(): Promise<void> {
    // With a wrong clock it serves on: its agents are here, and the others must know that.
    if (this.#polling !== null || this.#stopped || this.#database.unreachable() !== null)
      return this.#polling ?? Promise.resolve();
    this.#polling = this.#pollNow()
      .catch((err: unknown) => this.#log.warn({ err }, 'the state of the other replicas could not be read'))
      .finally(() => {
        this.#polling = null;
      });
    return this.#polling;
  }

  async #pollNow(): Promise<void> {
    const silentMs = performance.now() - this.#beatAt;
    const wasAlone = this.#isAlone;
    if (silentMs >= beatMs) await this.#beat();
    await this.#look();
    // Others may not know this replica, and tell it nothing until they do.
    if (wasAlone || silentMs >= leaseMs) this.#greet();
    await this.#catchUp();
    this.facts.write();
  }

  async #beat(): Promise<void> {
    const began = performance.now();
    const { id, name, version, startedAt, beacon } = this.self;
    const now = this.#store.now();
    await beat(
      this.#db,
      { id, name, version, lock_key: this.#key, started_at: startedAt },
      {
        seen_at: now,
        agents: this.agents(),
        behind: this.#behind,
        skew_ms: this.#database.skewMs(),
        beacon: beacon === null ? null : JSON.stringify(beacon),
      },
    );
    this.self = { ...this.self, seenAt: now };
    this.#beatAt = began;
  }

  /** Makes the others look for this replica, and tells what has waited for them. */
  #greet(): void {
    this.#tellFacts();
    this.#commits.tell();
  }

  /** Looks who is alive, and which facts there are: also those of replicas that have ended. */
  async #look(): Promise<void> {
    const now = this.#store.now();
    const rows = await otherReplicas(this.#db, this.self.id);
    const alive = new Map<string, Replica>();
    for (const row of rows) {
      const { id, name, version } = row;
      this.facts.heard(id, row.fact_number);
      if (row.seen_at <= now - leaseMs || !this.#isAttached(id, row.attached === 1)) continue;
      const beacon = row.beacon === null ? null : this.#readBeacon(row.beacon);
      const times = { startedAt: row.started_at, seenAt: row.seen_at };
      alive.set(id, { id, name, version, ...times, beacon });
    }
    const before = shown(this.#others);
    this.#others = alive;
    if (shown(alive) !== before) for (const listener of this.#listeners) listener();
  }

  #readBeacon(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (err) {
      this.#log.warn({ err }, 'the beacon of another replica could not be read');
      return null;
    }
  }

  #isAttached(id: string, attached: boolean): boolean {
    if (attached) {
      this.#detachedAt.delete(id);
      return true;
    }
    const since = this.#detachedAt.get(id) ?? performance.now();
    this.#detachedAt.set(id, since);
    return performance.now() - since < detachedMs;
  }

  async #catchUp(): Promise<void> {
    const tenants = [...this.#store.log.tenants()];
    if (tenants.length === 0) return;
    const heads = await headsOf(this.#db, tenants);
    this.#behind = 0;
    for (const { tenant, revision } of heads) {
      const behind = revision - this.#store.log.head(tenant);
      this.#behind = Math.max(this.#behind, behind);
      if (behind > 0) this.#noticed(tenant, revision);
    }
  }
}

/** What listeners of changes care for. */
const shown = (replicas: ReadonlyMap<string, Replica>): string =>
  [...replicas.values()]
    .map(({ id, beacon }) => `${id} ${JSON.stringify(beacon)}`)
    .sort()
    .join('\n');
