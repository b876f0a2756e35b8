import type { Timers } from '../channel/timers.ts';
import { chunks } from '../db/chunks.ts';
import type { Replicas } from '../replicas/types.ts';

/** What sharing budgets needs. */
export interface SharedSpendingDeps {
  readonly replicas: Pick<Replicas, 'others' | 'tell' | 'handle'>;
  readonly timers: Pick<Timers, 'after'>;
  readonly now: () => number;
}

/** Takes off a budget what a tenant or a person has used up at another replica. */
export type SpentElsewhere = (subject: string, amount: number, now: number) => void;

/** Notes what a tenant or a person has used up here. */
export type Spend = (subject: string, amount: number) => void;

/** How long what was used up is collected before the others are told, milliseconds. */
const collectMs = 250;
/** Entries of a message, which may have 64 KiB. */
const perMessage = 400;

const topic = 'spent';

/**
 * Budgets that hold for all replicas together. Each replica counts by itself, and tells the others several times a second
 * what was used up. So a tenant that spreads its requests gains what fits into that time, once, and no request waits for
 * another replica. A message that gets lost makes a budget larger by what it said, until the budget has filled again.
 */
export class SharedSpending {
  readonly #deps: SharedSpendingDeps;
  readonly #budgets = new Map<string, SpentElsewhere>();
  #collected = new Map<string, Map<string, number>>();
  #waits = false;

  constructor(deps: SharedSpendingDeps) {
    this.#deps = deps;
    deps.replicas.handle(topic, (body) => this.#heard(body));
  }

  /** Makes a budget shared. The name is the same at every replica. */
  share(budget: string, spent: SpentElsewhere): Spend {
    this.#budgets.set(budget, spent);
    return (subject, amount) => this.#note(budget, subject, amount);
  }

  #note(budget: string, subject: string, amount: number): void {
    const { replicas, timers } = this.#deps;
    if (replicas.others().length === 0) return;
    const subjects = this.#collected.get(budget) ?? new Map<string, number>();
    this.#collected.set(budget, subjects.set(subject, (subjects.get(subject) ?? 0) + amount));
    if (this.#waits) return;
    this.#waits = true;
    timers.after(collectMs, () => this.#tell());
  }

  #tell(): void {
    const entries = [...this.#collected].flatMap(([budget, subjects]) =>
      [...subjects].map(([subject, amount]): Entry => [budget, subject, amount]),
    );
    this.#collected = new Map();
    this.#waits = false;
    for (const some of chunks(entries, perMessage)) this.#deps.replicas.tell('others', topic, some);
  }

  #heard(body: unknown): void {
    const now = this.#deps.now();
    for (const entry of Array.isArray(body) ? body : [])
      if (isEntry(entry)) this.#budgets.get(entry[0])?.(entry[1], entry[2], now);
  }
}

/** Budget, subject, and what it has used up. */
type Entry = readonly [string, string, number];

const isEntry = (entry: unknown): entry is Entry =>
  Array.isArray(entry) &&
  typeof entry[0] === 'string' &&
  typeof entry[1] === 'string' &&
  Number.isFinite(entry[2]) &&
  entry[2] > 0;
