import { z } from 'zod';
import type { Replicas, StoredFact } from './types.ts';

/** What is known about an object. */
export interface Known<V> {
  readonly tenant: string;
  /** Null: nothing is known any more. It counts like a value, so that an older one does not come back. */
  readonly value: V | null;
  /** When it was learnt, epoch milliseconds, time of the database. */
  readonly at: number;
  /** Id of the replica that learnt it. */
  readonly by: string;
}

/** How facts of one kind are shared. */
export interface SharedFactsDeps<V> {
  readonly replicas: Replicas;
  readonly kind: string;
  /** Time of the database. */
  readonly now: () => number;
  /** Facts of other versions, and of other hands, are checked. */
  readonly value: z.ZodType<V>;
  /** Called when something newer is known about an object, from this replica or another one. */
  readonly changed: (object: string, known: Known<V>) => void;
  readonly log: { readonly warn: (facts: object, text: string) => void };
  /** Number of objects remembered. The one without news for the longest time is forgotten first. */
  readonly limit?: number;
}

/**
 * Facts of one kind that every replica may learn, and on which all agree in the end: the newest counts, and of two with
 * the same time that of the replica with the greater id. Which one the database stores last decides nothing.
 */
export class SharedFacts<V> {
  readonly #deps: SharedFactsDeps<V>;
  readonly #body: z.ZodType<{ value: V | null; at: number; by: string }>;
  readonly #known = new Map<string, Known<V>>();
  /** Replicas of another version that write facts which this one cannot read. */
  readonly #warned = new Set<string>();
  /** Objects of which something may be under way to the database: sent since the last wait began, and before. */
  readonly #sent = new Set<string>();
  readonly #awaited = new Set<string>();
  #waits = false;

  constructor(deps: SharedFactsDeps<V>) {
    this.#deps = deps;
    this.#body = z.object({ value: deps.value.nullable(), at: z.number(), by: z.string().max(64) });
    deps.replicas.facts.follow(deps.kind, (fact) => this.#heard(fact));
  }

  /** Records what this replica has learnt, and tells the others. It is newer than all that is known here. */
  learnt(tenant: string, object: string, value: V | null): void {
    const { replicas, now } = this.#deps;
    const at = Math.max(now(), (this.#known.get(object)?.at ?? 0) + 1);
    const known = { tenant, value, at, by: replicas.self.id };
    this.#send(object, known);
    this.#take(object, known);
  }

  /** Returns what is known about an object; undefined: nothing ever was. */
  of(object: string): Known<V> | undefined {
    return this.#known.get(object);
  }

  #heard(fact: StoredFact): void {
    const { success, data } = this.#body.safeParse(fact.value);
    if (!success) {
      const { kind, object, replica } = fact;
      if (!this.#warned.has(replica))
        this.#deps.log.warn({ kind, object, replica }, 'facts of another replica are malformed, and are ignored');
      if (this.#warned.size < mostWarned) this.#warned.add(replica);
      return;
    }
    const heard = { tenant: fact.tenant, ...data };
    const known = this.#known.get(fact.object);
    if (known === undefined || isNewer(heard, known)) {
      // An older fact that is still under way to the database must not replace it.
      if (this.#sent.has(fact.object) || this.#awaited.has(fact.object)) this.#send(fact.object, heard);
      this.#take(fact.object, heard);
    }
    // The database has stored an older fact over the newest one.
    else if (isNewer(known, heard) && this.#answersFor(known)) this.#send(fact.object, known);
  }

  #answersFor({ by }: Known<V>): boolean {
    const { replicas } = this.#deps;
    return by === replicas.self.id || !replicas.isAlive(by);
  }

  #send(object: string, { tenant, value, at, by }: Known<V>): void {
    const { replicas, kind } = this.#deps;
    replicas.facts.publish({ tenant, kind, object, value: { value, at, by }, generation: 0 });
    this.#sent.add(object);
    if (!this.#waits) this.#wait();
  }

  #wait(): void {
    this.#waits = true;
    for (const object of this.#sent) this.#awaited.add(object);
    this.#sent.clear();
    this.#deps.replicas.facts
      .settled()
      .then(() => this.#awaited.clear())
      // They may be under way still, until a later wait has succeeded.
      .catch(() => undefined)
      .finally(() => {
        this.#waits = false;
        if (this.#sent.size > 0) this.#wait();
      });
  }

  #take(object: string, known: Known<V>): void {
    this.#known.delete(object);
    this.#known.set(object, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > (this.#deps.limit ?? rememberedFacts) && oldest !== undefined) this.#known.delete(oldest);
    this.#deps.changed(object, known);
  }
}

const [rememberedFacts, mostWarned] = [500_000, 1_000];

const isNewer = <V>(a: Known<V>, b: Known<V>): boolean => a.at > b.at || (a.at === b.at && a.by > b.by);
