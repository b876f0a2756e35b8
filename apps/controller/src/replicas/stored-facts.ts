import { decodeJson, encodeJson } from '../db/json.ts';
import { factsAfter, factsOfKinds, storeFacts } from '../db/replica-rows.ts';
import type { FactTable } from '../db/replica-tables.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import type { Fact, Facts, StoredFact } from './types.ts';

/** What stored facts need of their replica. */
export interface FactsHost {
  readonly store: Pick<Store, 'db' | 'now'>;
  /** Id of this replica. */
  readonly self: string;
  /** Tells the other replicas that facts up to this number are stored. */
  readonly stored: (number: number) => void;
  readonly failed: (error: unknown) => void;
}

/** Most facts in one transaction, and how long `settled` waits. */
const [most, settledMs] = [500, 10_000];

/** Facts in the database. Each replica numbers its own, so that others read what they have not seen. */
export class StoredFacts implements Facts {
  readonly #host: FactsHost;
  readonly #followers: { readonly kind: string; readonly listener: (fact: StoredFact) => void }[] = [];
  /** Facts that are not stored yet, by kind and object. */
  readonly #unwritten = new Map<string, Fact>();
  /** Number up to which all facts of a replica were read. */
  readonly #read = new Map<string, number>();
  #number = 0;
  /** Facts of other replicas that were read. */
  heardCount = 0;
  #writing: Promise<void> | null = null;
  #reading: Promise<void> = Promise.resolve();

  constructor(host: FactsHost) {
    this.#host = host;
  }

  /** Number of the last fact of this replica that is stored. */
  get number(): number {
    return this.#number;
  }

  publish(fact: Fact): void {
    this.#unwritten.set(keyOf(fact), fact);
    this.write();
  }

  follow(kind: string, listener: (fact: StoredFact) => void): void {
    this.#followers.push({ kind, listener });
    this.#later(() => this.#readAll([kind]));
  }

  async settled(): Promise<void> {
    const until = performance.now() + settledMs;
    while (this.#unwritten.size > 0 || this.#writing !== null) {
      if (performance.now() > until) throw new Error('facts could not be stored in time');
      this.write();
      await this.#writing;
      if (this.#unwritten.size > 0) await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Stores what is not stored yet, unless that is under way. */
  write(): void {
    if (this.#unwritten.size === 0 || this.#writing !== null) return;
    this.#writing = this.#writeAll()
      .catch((error: unknown) => this.#host.failed(error))
      .finally(() => {
        this.#writing = null;
      });
  }

  /** A replica says that it has stored facts up to a number. */
  heard(replica: string, number: number): void {
    if (replica === this.#host.self || number <= (this.#read.get(replica) ?? 0)) return;
    this.#later(() => this.#readNew(replica, number));
  }

  /** Reads everything again: a time without the database is over. */
  again(): void {
    this.#later(() => this.#readAll([...new Set(this.#followers.map(({ kind }) => kind))]));
    this.write();
  }

  /** Facts are published while a turn lasts: they go together. */
  async #writeAll(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#unwritten.size > 0) {
      const facts = [...this.#unwritten.values()].slice(0, most);
      for (const fact of facts) this.#unwritten.delete(keyOf(fact));
      try {
        await this.#store(facts);
      } catch (error) {
        for (const fact of facts) if (!this.#unwritten.has(keyOf(fact))) this.#unwritten.set(keyOf(fact), fact);
        throw error;
      }
      this.#host.stored(this.#number);
    }
  }

  async #store(facts: readonly Fact[]): Promise<void> {
    const { store, self } = this.#host;
    let number = this.#number;
    const at = store.now();
    const rows = facts.map(({ kind, object, tenant, value, generation }) => ({
      ...{ kind, object, generation, at },
      tenant_id: tenant,
      value: encodeJson(value ?? null),
      replica: self,
      number: ++number,
    }));
    // Two replicas may store the same facts: in one order they do not wait for each other.
    rows.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
    await storeFacts(this.#db, self, rows);
    this.#number = number;
  }

  /** Reads what is stored up to a number and after. Facts that another replica has replaced leave gaps. */
  async #readNew(replica: string, number: number): Promise<void> {
    const after = this.#read.get(replica) ?? 0;
    if (number <= after) return;
    const rows = await factsAfter(this.#db, replica, after);
    this.#read.set(replica, Math.max(number, rows.at(-1)?.number ?? 0));
    this.#deliver(rows);
  }

  async #readAll(kinds: readonly string[]): Promise<void> {
    if (kinds.length > 0) this.#deliver(await factsOfKinds(this.#db, kinds));
  }

  get #db() {
    return unscoped(this.#host.store.db, 'a replica follows the facts of all tenants');
  }

  #deliver(rows: readonly FactTable[]): void {
    for (const row of rows) if (row.replica !== this.#host.self) this.#tell(row);
  }

  /** A fact that cannot be read, or a follower that fails, keeps no other fact back. */
  #tell({ kind, object, tenant_id: tenant, value, generation, replica, at }: FactTable): void {
    this.heardCount++;
    for (const follower of this.#followers) {
      if (follower.kind !== kind) continue;
      try {
        follower.listener({ kind, object, tenant, value: decodeJson(value), generation, replica, at });
      } catch (error) {
        this.#host.failed(error);
      }
    }
  }

  /** One read after the other, so that facts arrive in order. */
  #later(work: () => Promise<void>): void {
    this.#reading = this.#reading.then(work).catch((error: unknown) => this.#host.failed(error));
  }
}

const keyOf = ({ kind, object }: { kind: string; object: string }): string => `${kind} ${object}`;
