import { thisReplica } from '../replicas/alone.ts';
import type { Facts, MessageHandler, Replica, Replicas, StoredFact } from '../replicas/types.ts';

/** Replicas in one process that reach each other through memory: what a test of their users needs, without a database. */
export class MemoryReplicas {
  readonly #now: () => number;
  readonly #members = new Map<string, MemoryReplica>();
  readonly facts = new Map<string, StoredFact>();
  /** Pairs of replicas, as `from to`, of which messages get lost. */
  readonly cut = new Set<string>();

  constructor(now: () => number) {
    this.#now = now;
  }

  join(name: string): MemoryReplica {
    const member = new MemoryReplica({ ...thisReplica('0.0.0', this.#now()), name }, this, this.#now);
    this.#members.set(member.self.id, member);
    this.changed();
    return member;
  }

  /** The replica ends as by `kill -9`: it says nothing, and its lease ends at once. */
  kill({ self }: MemoryReplica): void {
    this.#members.delete(self.id);
    this.changed();
  }

  member(id: string): MemoryReplica | undefined {
    return this.#members.get(id);
  }

  members(): MemoryReplica[] {
    return [...this.#members.values()];
  }

  changed(): void {
    for (const member of this.#members.values()) for (const listener of member.listeners) listener();
  }
}

/** One of the replicas. Messages and facts arrive in a later turn, as JSON. */
export class MemoryReplica implements Replicas {
  self: Replica;
  readonly listeners = new Set<() => void>();
  readonly facts: Facts;
  readonly #network: MemoryReplicas;
  readonly #now: () => number;
  readonly #handlers = new Map<string, MessageHandler>();
  readonly #followers: { readonly kind: string; readonly listener: (fact: StoredFact) => void }[] = [];
  /** Null: this replica has lost its database. */
  contact: (() => number) | null;

  constructor(self: Replica, network: MemoryReplicas, now: () => number) {
    this.self = self;
    this.#network = network;
    this.#now = now;
    this.contact = now;
    this.facts = {
      publish: (fact) => {
        const [key, known] = [`${fact.kind} ${fact.object}`, network.facts.get(`${fact.kind} ${fact.object}`)];
        if (known !== undefined && known.generation > fact.generation) return;
        const stored = { ...fact, value: copy(fact.value), replica: self.id, at: now() };
        network.facts.set(key, stored);
        for (const member of network.members()) if (member !== this) member.#hear(stored);
      },
      follow: (kind, listener) => {
        this.#followers.push({ kind, listener });
        for (const fact of network.facts.values())
          if (fact.kind === kind && fact.replica !== self.id) queueMicrotask(() => listener(fact));
      },
      settled: async () => undefined,
    };
  }

  others(): Replica[] {
    const seen = ({ self, contact }: MemoryReplica) => ({ ...self, seenAt: contact?.() ?? self.seenAt });
    return this.#network.members().flatMap((member) => (member.self.id === this.self.id ? [] : [seen(member)]));
  }

  isAlive(id: string): boolean {
    return this.#network.member(id) !== undefined;
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  lastContact(): number {
    return this.contact?.() ?? 0;
  }

  maySign(): boolean {
    return this.#now() - this.lastContact() < 10_000;
  }

  announceBeacon(beacon: unknown): void {
    this.self = { ...this.self, beacon: copy(beacon) };
    this.#network.changed();
  }

  tell(to: string, topic: string, body: unknown): void {
    for (const { id } of to === 'others' ? this.others() : [{ id: to }]) void this.ask(id, topic, body);
  }

  async ask(to: string, topic: string, body: unknown): Promise<unknown> {
    const sent = copy(body);
    await new Promise((resolve) => setImmediate(resolve));
    const member = this.#network.member(to);
    if (member === undefined || this.#network.cut.has(`${this.self.id} ${to}`)) return null;
    return copy((await member.#handlers.get(topic)?.(sent, this.self.id)) ?? null);
  }

  handle(topic: string, handler: MessageHandler): void {
    this.#handlers.set(topic, handler);
  }

  #hear(fact: StoredFact): void {
    for (const { kind, listener } of this.#followers) if (kind === fact.kind) setImmediate(() => listener(fact));
  }
}

const copy = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));
