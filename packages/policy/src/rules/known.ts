/** Whether a rule is met, and for how long that is sure. */
export interface Outcome {
  readonly met: boolean;
  /**
   * Epoch milliseconds: the first moment at which it is otherwise, or, when that is too far away to be looked for, a
   * moment until which it surely stays. Null: it does not change by time alone.
   */
  readonly validUntil: number | null;
  /** When to ask again: `validUntil`, or earlier when it may just go on after that. */
  readonly dueAt: number | null;
}

/** Outcomes of one rule by what it was asked with, remembered for as long as they hold. */
export class KnownOutcomes {
  readonly #outcomes = new Map<string, { readonly from: number; readonly outcome: Outcome }>();
  #generation = generation;

  get(key: string, at: number): Outcome | null {
    if (this.#generation !== generation) return null;
    const known = this.#outcomes.get(key);
    if (known === undefined || at < known.from || at >= (known.outcome.dueAt ?? Number.POSITIVE_INFINITY)) return null;
    return known.outcome;
  }

  set(key: string, from: number, outcome: Outcome): void {
    characters += key.length + 100;
    if (characters > mostCharacters) {
      characters = key.length;
      generation++;
    }
    if (this.#generation !== generation) this.#outcomes.clear();
    this.#generation = generation;
    this.#outcomes.set(key, { from, outcome });
  }
}

// One bound for all rules together: when it is reached, all begin again.
const mostCharacters = 50_000_000;
let characters = 0;
let generation = 0;
