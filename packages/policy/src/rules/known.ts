/** Whether a rule is met, and how long that is certain. */
export interface Outcome {
  readonly met: boolean;
  /**
   * Epoch milliseconds at which the outcome changes. When that is too far away to be found, a moment until which the
   * outcome is certain. Null: time alone does not change it.
   */
  readonly validUntil: number | null;
  /** Epoch milliseconds at which to ask again: `validUntil`, or earlier when the outcome may continue after it. */
  readonly dueAt: number | null;
}

/** Remembers outcomes of one rule by its inputs, for as long as they hold. */
export class KnownOutcomes {
  readonly #outcomes = new Map<string, { readonly from: number; readonly outcome: Outcome }>();
  #generation = generation;

  /** Returns the outcome of a key that holds at a moment, or null. */
  get(key: string, at: number): Outcome | null {
    if (this.#generation !== generation) return null;
    const known = this.#outcomes.get(key);
    if (known === undefined || at < known.from || at >= (known.outcome.dueAt ?? Number.POSITIVE_INFINITY)) return null;
    return known.outcome;
  }

  /** Remembers an outcome. */
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

// One bound for all rules together. When it is reached, everything is forgotten.
const mostCharacters = 50_000_000;
let characters = 0;
let generation = 0;
