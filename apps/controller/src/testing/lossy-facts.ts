import { alone } from '../replicas/alone.ts';
import type { Fact, Replicas, StoredFact } from '../replicas/types.ts';

type Listener = (fact: StoredFact) => void;

interface Member {
  readonly replicas: Replicas;
  readonly listeners: { readonly kind: string; readonly listener: Listener }[];
  /** Published and not stored yet: the newest of each object. */
  readonly waiting: Map<string, Fact>;
}

/** Facts of replicas that are stored late and in any order, and heard late or not at all until all is read again. */
export class LossyFacts {
  readonly stored = new Map<string, StoredFact>();
  readonly #members: Member[] = [];
  readonly #dead = new Set<string>();

  /** `now`: the clock of the new replica. It hears what is stored. */
  join(now: () => number): Replicas {
    const base = alone('0.0.0', now);
    const listeners: Member['listeners'] = [];
    const waiting: Member['waiting'] = new Map();
    const replicas: Replicas = {
      ...base,
      isAlive: (id) => !this.#dead.has(id),
      facts: {
        publish: (fact) => void waiting.set(`${fact.kind} ${fact.object}`, JSON.parse(JSON.stringify(fact))),
        follow: (kind, listener) => {
          listeners.push({ kind, listener });
          for (const fact of this.stored.values()) if (fact.kind === kind) listener(fact);
        },
        // What is under way stays so for its publisher.
        settled: () => new Promise<void>(() => undefined),
      },
    };
    this.#members.push({ replicas, listeners, waiting });
    return replicas;
  }

  /** The replica ends, and what it has not stored is lost. */
  kill({ self }: Replicas): void {
    this.#dead.add(self.id);
    this.#members.splice(
      this.#members.findIndex(({ replicas }) => replicas.self.id === self.id),
      1,
    );
  }

  /** Stores one fact of a replica, and tells those of the others that `hears` chooses. */
  store(replica: number, hears: (other: number) => boolean): void {
    const member = this.#members[replica % this.#members.length];
    const [next] = member?.waiting ?? [];
    if (member === undefined || next === undefined) return;
    const [key, fact] = next;
    member.waiting.delete(key);
    const stored = { ...fact, replica: member.replicas.self.id, at: 0 };
    this.stored.set(key, stored);
    for (const [index, other] of this.#members.entries()) if (other !== member && hears(index)) tell(other, stored);
  }

  /** Stores everything, and lets all replicas read everything, until nothing is published any more. */
  settle(): void {
    for (let busy = true; busy; busy = this.#members.some(({ waiting }) => waiting.size > 0)) {
      for (const [index, { waiting }] of this.#members.entries())
        while (waiting.size > 0) this.store(index, () => false);
      for (const member of this.#members)
        for (const fact of this.stored.values()) if (fact.replica !== member.replicas.self.id) tell(member, fact);
    }
  }
}

function tell({ listeners }: Member, fact: StoredFact): void {
  for (const { kind, listener } of listeners) if (kind === fact.kind) listener(fact);
}
