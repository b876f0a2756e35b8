import type { Store } from '../../../apps/controller/src/db/store.ts';
import { thisReplica } from '../../../apps/controller/src/replicas/alone.ts';
import type {
  Facts,
  MessageHandler,
  Replica,
  Replicas,
  StoredFact,
} from '../../../apps/controller/src/replicas/types.ts';
import type { Clock } from '../../protocol/clock.ts';

/** What the replicas of a model are given. Times in milliseconds. */
export interface NetworkOptions {
  readonly clock: Clock;
  readonly dice: () => number;
  /** Longest delay of a message or notice. */
  readonly delayMs: () => number;
  /** Share of messages and notices that get lost, 0 to 1. */
  readonly lossRate: () => number;
  readonly moved: () => void;
  /** A question begins or ends to wait. */
  readonly waits: (by: 1 | -1) => void;
  readonly failed: (what: string, error: unknown) => void;
}

/** How long after its end a killed replica counts as alive, and how long one that has lost the database. */
const [killedMs, leaseMs] = [1_000, 6_000];
/** How often a replica looks at the database by itself. */
const pollMs = 500;

/**
 * Carries messages, notices of commits and facts between replicas, in the time of a test. It may lose messages and
 * notices. Facts are durable, and a replica that cannot reach the database neither stores nor hears any.
 */
export class Network {
  readonly options: NetworkOptions;
  readonly facts = new Map<string, StoredFact>();
  readonly #members = new Set<Member>();
  readonly #endedAt = new Map<string, { readonly replica: Replica; readonly at: number }>();

  constructor(options: NetworkOptions) {
    this.options = options;
  }

  /** `reaches`: whether the replica reaches the database. */
  join(
    store: Store,
    name: string,
    reaches: () => boolean,
  ): { readonly replicas: Replicas; readonly leave: () => void } {
    const member = new Member(this, store, name, reaches);
    this.#members.add(member);
    const leave = () => {
      this.#members.delete(member);
      this.#endedAt.set(member.self.id, { replica: member.self, at: this.options.clock.now() });
      member.end();
    };
    return { replicas: member, leave };
  }

  /** Replicas that count as alive. */
  alive(): Replica[] {
    const now = this.options.clock.now();
    const ended = [...this.#endedAt.values()].filter(({ at }) => now < at + killedMs).map(({ replica }) => replica);
    const running = [...this.#members].filter((member) => now < member.lastContact() + leaseMs).map(({ self }) => self);
    return [...running, ...ended];
  }

  member(id: string): Member | undefined {
    return [...this.#members].find(({ self }) => self.id === id);
  }

  others(than: Member): Member[] {
    return [...this.#members].filter((member) => member !== than);
  }

  /** Runs later, unless it gets lost. */
  carry(run: () => void): void {
    const { clock, dice, delayMs, lossRate, moved } = this.options;
    moved();
    if (dice() >= lossRate()) clock.after(dice() * delayMs(), run);
  }
}

/** One replica in the network. */
class Member implements Replicas {
  self: Replica;
  readonly facts: Facts;
  readonly #network: Network;
  readonly #store: Store;
  readonly #reaches: () => boolean;
  readonly #listeners = new Set<() => void>();
  readonly #handlers = new Map<string, MessageHandler>();
  readonly #followers: { readonly kind: string; readonly listener: (fact: StoredFact) => void }[] = [];
  readonly #unwritten = new Map<string, StoredFact>();
  #contactAt: number;
  #seen = '';
  #ended = false;
  #foreign = false;

  constructor(network: Network, store: Store, name: string, reaches: () => boolean) {
    const { clock } = network.options;
    this.#network = network;
    this.#store = store;
    this.#reaches = reaches;
    this.#contactAt = clock.now();
    this.self = { ...thisReplica('0.0.0', clock.now()), name };
    store.onCommit((notice) => {
      if (this.#foreign) return;
      for (const other of network.others(this)) network.carry(() => other.#notice(notice.tenant, notice.revision));
    });
    this.facts = {
      publish: (fact) => {
        const stored = { ...fact, value: copy(fact.value), replica: this.self.id, at: clock.now() };
        this.#unwritten.set(keyOf(fact), stored);
        if (this.#reaches()) this.#write();
      },
      follow: (kind, listener) => {
        this.#followers.push({ kind, listener });
        this.#hearAll(kind);
      },
      settled: async () => undefined,
    };
    this.#poll();
  }

  end(): void {
    this.#ended = true;
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

  lastContact(): number {
    if (!this.#ended && this.#reaches()) this.#contactAt = this.#network.options.clock.now();
    return this.#contactAt;
  }

  maySign(): boolean {
    return this.#network.options.clock.now() - this.lastContact() < 10_000;
  }

  announceBeacon(beacon: unknown): void {
    this.self = { ...this.self, beacon: copy(beacon) };
  }

  tell(to: string, topic: string, body: unknown): void {
    const sent = copy(body);
    const targets = to === 'others' ? this.#network.others(this) : [this.#network.member(to)];
    for (const target of targets) this.#carry(() => void target?.handled(topic, sent, this.self.id));
  }

  ask(to: string, topic: string, body: unknown, timeoutMs: number): Promise<unknown> {
    const sent = copy(body);
    const { clock, waits, moved } = this.#network.options;
    waits(1);
    const asking = new Promise<unknown>((resolve) => {
      clock.after(timeoutMs, () => resolve(null));
      this.#carry(() => {
        const target = this.#network.member(to);
        if (target === undefined) return;
        void target.handled(topic, sent, this.self.id).then((answer) => target.#carry(() => resolve(copy(answer))));
      });
    });
    return asking.finally(() => {
      waits(-1);
      moved();
    });
  }

  handle(topic: string, handler: MessageHandler): void {
    this.#handlers.set(topic, handler);
  }

  async handled(topic: string, body: unknown, from: string): Promise<unknown> {
    if (this.#ended || !this.#reaches()) return null;
    try {
      return (await this.#handlers.get(topic)?.(body, from)) ?? null;
    } catch (error) {
      this.#network.options.failed(`message ${topic}`, error);
      return null;
    }
  }

  #carry(run: () => void): void {
    if (!this.#ended && this.#reaches()) this.#network.carry(run);
  }

  #notice(tenant: string, revision: number): void {
    if (this.#ended || !this.#reaches()) return;
    this.#foreign = true;
    try {
      this.#store.noticed({ tenant, revision });
    } finally {
      this.#foreign = false;
    }
  }

  #write(): void {
    for (const [key, fact] of this.#unwritten) {
      const known = this.#network.facts.get(key);
      if (known !== undefined && known.generation > fact.generation) continue;
      this.#network.facts.set(key, fact);
      for (const other of this.#network.others(this)) this.#network.carry(() => other.#hear(fact));
    }
    this.#unwritten.clear();
  }

  #hear(fact: StoredFact): void {
    if (this.#ended || !this.#reaches()) return;
    for (const { kind, listener } of this.#followers) if (kind === fact.kind) listener(fact);
  }

  #hearAll(kind?: string): void {
    for (const fact of this.#network.facts.values())
      if ((kind === undefined || fact.kind === kind) && fact.replica !== this.self.id)
        this.#network.options.clock.after(1, () => this.#hear(fact));
  }

  /** What was lost is found by looking: revisions, facts, and who is alive. */
  #poll(): void {
    if (this.#ended) return;
    const { clock, failed } = this.#network.options;
    clock.after(pollMs, () => this.#poll());
    const alive = this.others()
      .map(({ id, beacon }) => `${id} ${JSON.stringify(beacon)}`)
      .sort()
      .join();
    if (alive !== this.#seen) for (const listener of this.#listeners) listener();
    this.#seen = alive;
    if (!this.#reaches()) return;
    this.#write();
    this.#hearAll();
    this.#readHeads().catch((error: unknown) => {
      if (!this.#ended && this.#reaches()) failed('reading revisions', error);
    });
  }

  async #readHeads(): Promise<void> {
    const heads = await this.#store.db.selectFrom('tenants').select(['id', 'revision']).execute();
    for (const { id, revision } of heads) if (revision > this.#store.log.head(id)) this.#notice(id, revision);
  }
}

const keyOf = ({ kind, object }: { kind: string; object: string }) => `${kind} ${object}`;
const copy = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null));
