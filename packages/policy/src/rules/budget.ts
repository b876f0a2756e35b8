/**
 * Steps that one evaluation of a rule may take, whatever the rule: a node of its tree is one step, and what works on texts or
 * lists takes steps by their sizes. So steps bound time (some 50 ns each) and memory (some 100 bytes each).
 */
export const evaluationSteps = 50_000;

/** Steps that all evaluations of a look ahead may take together. */
export const walkSteps = 200_000;

/** Counts down the steps of evaluations. */
export class Budget {
  #left: number;
  /** An evaluation ran out of steps. Its errors may have been passed over, its answer counts for nothing. */
  exhausted = false;

  constructor(steps: number) {
    this.#left = steps;
  }

  /** Steps that are left. */
  get left(): number {
    return this.#left;
  }

  /** Takes steps. Throws when there are not enough. */
  take(steps: number): void {
    this.#left -= steps;
    if (this.#left >= 0) return;
    this.exhausted = true;
    throw overBudget;
  }
}

/** Budgets for the parts of a rule, one after the other, that are spent together like those of a look ahead. */
export class Budgets {
  #left = walkSteps;

  /** Gives what the work returns. */
  spend<T>(work: (budget: Budget) => T): T {
    const given = Math.min(evaluationSteps, Math.max(leastSteps, this.#left));
    const budget = new Budget(given);
    try {
      return work(budget);
    } finally {
      this.#left -= given - budget.left;
    }
  }
}

/** Steps of a part whatever the others took. */
const leastSteps = 1000;

export class OverBudget extends Error {
  constructor() {
    super(`it needs more than the ${evaluationSteps} steps that an evaluation may take`);
  }
}

// One for all: making an error is dear, and a rule that ran out throws one at each step that it still tries.
const overBudget = new OverBudget();
