/**
 * Most steps of one evaluation of any rule. Each node of the tree takes one step. Operations on texts or lists take
 * steps by their sizes. So steps bound time (some 50 ns each) and memory (some 100 bytes each).
 */
export const evaluationSteps = 50_000;

/** Most steps of all evaluations of one look ahead together. */
export const walkSteps = 200_000;

/** Counts down the steps of evaluations. */
export class Budget {
  #left: number;
  /** Whether an evaluation ran out of steps. Then its answer is void, even if the rule ignored the error. */
  exhausted = false;

  constructor(steps: number) {
    this.#left = steps;
  }

  /** Steps that are left. */
  get left(): number {
    return this.#left;
  }

  /** Takes steps. Throws OverBudget when too few are left. */
  take(steps: number): void {
    this.#left -= steps;
    if (this.#left >= 0) return;
    this.exhausted = true;
    throw overBudget;
  }
}

/** Budgets for the parts of a rule, one after another. Together they are bounded like those of a look ahead. */
export class Budgets {
  #left = walkSteps;

  /** Runs work with a budget. Returns its result. */
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

/** Steps that each part gets, regardless of the others. */
const leastSteps = 1000;

/** Thrown when an evaluation needs more steps than it may take. */
export class OverBudget extends Error {
  constructor() {
    super(`it needs more than the ${evaluationSteps} steps that an evaluation may take`);
  }
}

// One error for all, because making one is expensive, and an exhausted rule throws at each step that it still tries.
const overBudget = new OverBudget();
