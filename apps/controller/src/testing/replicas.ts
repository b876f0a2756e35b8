import type { Timers } from '../channel/timers.ts';
import type { Store } from '../db/store.ts';
import { thisReplica } from '../replicas/alone.ts';
import type { Facts, MessageHandler, Replica, Replicas, StoredFact } from '../replicas/types.ts';

/**
 * Time and weather of a network of replicas. Times in milliseconds. Left out, everything arrives in a later turn, and a
 * replica that ended is gone at once.
 */
export interface Weather {
  readonly timers: Timers;
  /** Runs later what arrives somewhere, or never when it gets lost. */
  readonly carry: (run: () => void) => void;
  /** How often a replica looks at the database by itself. */
  readonly lookMs: () => number;
  /** A question begins or ends to wait. */
  readonly waits: (by: 1 | -1) => void;
  /** A message could not be handled, or the database not be read. */
  readonly failed: (what: string, error: unknown) => void;
}

/** What a replica joins with. */
export interface Place {
  /** Its commits are told to the others, and it hears of theirs. Left out: the test tells them. */
  readonly store?: Store;
  /** Whether it reaches the database. Left out: `contact` says when it last did. */
  readonly reaches?: () => boolean;
}

const calm: Weather = {
  timers: { after: () => () => undefined, soon: queueMicrotask },
  carry: setImmediate,
  lookMs: () => Number.POSITIVE_INFINITY,
  waits: () => undefined,
  failed: (_, error) => {
    throw error;
  },
};

/** With weather: how long after its end a killed replica counts as alive, and how long one that has lost the database. */
const [killedMs, leaseMs] = [1_000, 6_000];
/** Silence of the database after which nothing is signed. */
const signingMs = 10_000;

/**
 * Replicas in one process that reach each other through memory. Messages, and notices of commits, may get lost. Facts are
 * durable. A replica without its database neither stores nor hears anything.
 */
export class MemoryReplicas {
  readonly now: () => number;
  readonly weather: Weather;
  /** Whether replicas notice by looking, and not at once, who lives. */
  readonly looks: boolean;
  readonly facts = new Map<string, StoredFact>();
  /** Pairs of replicas, as `from to`, of which messages get lost. */
  readonly cut = new Set<string>();
  readonly #members = new Map<string, MemoryReplica>();
  readonly #ended: { readonly replica: Replica; readonly until: number }[] = [];

  /** `now`: epoch milliseconds. */
  constructor(now: () => number, weather: Weather = calm) {
    this.now = now;
    this.weather = weather;
    this.looks = weather !== calm;
  }

  join(name: string, place: Place = {}): MemoryReplica {
    const member = new MemoryReplica({ ...thisReplica('0.0.0', this.now()), name }, this, place);
    this.#members.set(member.self.id, member);
    this.changed();
    return member;
  }

  /** The replica ends as by `kill -9`: it says nothing, and its lease ends soon. */
  kill(member: MemoryReplica): void {
    member.ended = true;
    this.#members.delete(member.self.id);
    if (this.looks) this.#ended.push({ replica: member.self, until: this.now() + killedMs });
    this.changed();
  }

  member(id: string): MemoryReplica | undefined {
    return this.#members.get(id);
  }

  members(): MemoryReplica[] {
    return [...this.#members.values()];
  }

  /** Replicas that count as alive. */
  alive(): Replica[] {
    const now = this.now();
    const lives = (member: MemoryReplica) => !this.looks || now < member.lastContact() + leaseMs;
    const running = this.members().filter(lives);
    const ended = this.#ended.filter(({ until }) => now < until);
    return [...running.map((member) => member.seen()), ...ended.map(({ replica }) => replica)];
  }

  changed(): void {
    if (!this.looks) for (const member of this.members()) member.tellListeners();
  }
}

/** One of the replicas. Messages and facts arrive as JSON. */
export class MemoryReplica implements Replicas {
  self: Replica;
  readonly facts: Facts;
  ended = false;
  /** When the database last answered. Null: this replica has lost it for ever. */
  contact: (() => number) | null;
  readonly #network: MemoryReplicas;
  readonly reaches: () => boolean;
  readonly #store: Store | null;
  readonly #listeners = new Set<() => void>();
  readonly #handlers = new Map<string, MessageHandler>();
  readonly #followers: { readonly kind: string; readonly listener: (fact: StoredFact) => void }[] = [];
  readonly #unwritten = new Map<string, StoredFact>();
  #contactAt: number;
  #shown = '';
  /** Whether the notice that listeners get comes from another replica. */
  #foreign = false;

  constructor(self: Replica, network: MemoryReplicas, { store, reaches = () => true }: Place) {
    this.self = self;
    this.#network = network;
    this.#store = store ?? null;
    this.reaches = () => !this.ended && reaches();
    this.#contactAt = network.now();
    this.contact = () => {
      if (this.reaches()) this.#contactAt = network.now();
      return this.#contactAt;
    };
    this.facts = {
      publish: (fact) => {
        this.#unwritten.set(keyOf(fact), { ...fact, value: copy(fact.value), replica: self.id, at: network.now() });
        this.#write();
      },
      follow: (kind, listener) => {
        this.#followers.push({ kind, listener });
        this.#hearAll((fact) => fact.kind === kind);
      },
      settled: async () => undefined,
    };
    store?.onCommit(({ tenant, revision }) => {
      if (this.#foreign) return;
      for (const other of this.#others()) network.weather.carry(() => other.#notice(tenant, revision));
    });
    if (network.looks) this.#look();
  }

  seen(): Replica {
    return { ...this.self, seenAt: this.contact?.() ?? this.self.seenAt };
  }

  others(): Replica[] {
    return this.#network.alive().filter(({ id }) => id !== this.self.id);
  }

  isAlive(id: string): boolean {
    return this.#network.alive().some((replica) => replica.id === id);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  tellListeners(): void {
    for (const listener of this.#listeners) listener();
  }

  lastContact(): number {
    return this.contact?.() ?? 0;
  }

  maySign(): boolean {
    return this.#network.now() - this.lastContact() < signingMs;
  }

  announceBeacon(beacon: unknown): void {
    this.self = { ...this.self, beacon: copy(beacon) };
    this.#network.changed();
  }

  tell(to: string, topic: string, body: unknown): void {
    const sent = copy(body);
    const targets = to === 'others' ? this.#others().map(({ self }) => self.id) : [to];
    const arrived = (target: MemoryReplica | null) => {
      if (target !== null) void target.#handle(topic, sent, this.self.id);
    };
    for (const id of targets) this.#send(id, arrived);
  }

  ask(to: string, topic: string, body: unknown, timeoutMs = Number.POSITIVE_INFINITY): Promise<unknown> {
    const sent = copy(body);
    const { timers, waits } = this.#network.weather;
    waits(1);
    const asking = new Promise<unknown>((resolve, reject) => {
      if (this.#network.looks) timers.after(timeoutMs, () => resolve(null));
      const lost = () => this.#network.looks || resolve(null);
      this.#send(to, (target) => {
        if (target === null) return void lost();
        const answer = (value: unknown) => target.#send(this.self.id, (asker) => asker && resolve(copy(value)));
        target.#handle(topic, sent, this.self.id).then(answer, reject);
      });
    });
    return asking.finally(() => waits(-1));
  }

  handle(topic: string, handler: MessageHandler): void {
    this.#handlers.set(topic, handler);
  }

  /** Null arrives: the message got lost, because of this network and not of its weather. */
  #send(to: string, arrived: (target: MemoryReplica | null) => void): void {
    if (!this.reaches()) return;
    const road = `${this.self.id} ${to}`;
    const arrive = () => {
      const target = this.#network.member(to);
      const there = target?.reaches() === true && !this.#network.cut.has(road);
      arrived(there ? target : null);
    };
    this.#network.weather.carry(arrive);
  }

  async #handle(topic: string, body: unknown, from: string): Promise<unknown> {
    try {
      return (await this.#handlers.get(topic)?.(body, from)) ?? null;
    } catch (error) {
      this.#network.weather.failed(`message ${topic}`, error);
      return null;
    }
  }

  #notice(tenant: string, revision: number): void {
    if (!this.reaches()) return;
    this.#foreign = true;
    try {
      this.#store?.noticed({ tenant, revision });
    } finally {
      this.#foreign = false;
    }
  }

  #write(): void {
    if (!this.reaches()) return;
    const { facts, weather } = this.#network;
    for (const [key, fact] of this.#unwritten) {
      if ((facts.get(key)?.generation ?? 0) > fact.generation) continue;
      facts.set(key, fact);
      for (const other of this.#others()) weather.carry(() => other.#hear(fact));
    }
    this.#unwritten.clear();
  }

  #hear(fact: StoredFact): void {
    if (!this.reaches()) return;
    for (const { kind, listener } of this.#followers) if (kind === fact.kind) listener(fact);
  }

  #hearAll(wanted: (fact: StoredFact) => boolean = () => true): void {
    const { facts, weather } = this.#network;
    for (const fact of facts.values())
      if (fact.replica !== this.self.id && wanted(fact)) weather.timers.soon(() => this.#hear(fact));
  }

  /** What was lost is found by looking: revisions, facts, and who is alive. */
  #look(): void {
    if (this.ended) return;
    const { timers, lookMs, failed } = this.#network.weather;
    timers.after(lookMs(), () => this.#look());
    const shown = this.others()
      .map(({ id, beacon }) => `${id} ${JSON.stringify(beacon)}`)
      .sort()
      .join();
    if (shown !== this.#shown) this.tellListeners();
    this.#shown = shown;
    if (!this.reaches()) return;
    this.#write();
    this.#hearAll();
    this.#readHeads().catch((error: unknown) => {
      if (this.reaches()) failed('reading revisions', error);
    });
  }

  async #readHeads(): Promise<void> {
    const store = this.#store;
    if (store === null) return;
    for (const { id, revision } of await store.db.selectFrom('tenants').select(['id', 'revision']).execute())
      if (revision > store.log.head(id)) this.#notice(id, revision);
  }

  #others(): MemoryReplica[] {
    return this.#network.members().filter((member) => member !== this);
  }
}

const keyOf = ({ kind, object }: { kind: string; object: string }) => `${kind} ${object}`;
const copy = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));
