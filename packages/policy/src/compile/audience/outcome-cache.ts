import { type Outcome, programOf, type RuleInputs, ruleOutcome } from '../../rules/index.ts';
import type { WorldRule } from '../../types.ts';

/** Remembers outcomes of rules for as long as they hold. */
export class OutcomeCache {
  readonly #known = new WeakMap<WorldRule, Map<string, Kept>>();

  /** Returns the outcome of a rule for some inputs at a moment. */
  ask(rule: WorldRule, inputs: RuleInputs, at: number, zone: string): Outcome {
    const kept = this.#keptOf(rule);
    const key = `${rule.timeZone === null ? zone : ''} ${programOf(rule)?.key(inputs) ?? ''}`;
    const known = kept.get(key);
    if (known !== undefined && known.from <= at && at < (known.outcome.dueAt ?? Number.POSITIVE_INFINITY))
      return known.outcome;
    if (kept.size > keptLimit) kept.clear();
    const outcome = ruleOutcome(rule, inputs, at, zone);
    kept.set(key, { from: at, outcome });
    return outcome;
  }

  #keptOf(rule: WorldRule): Map<string, Kept> {
    const known = this.#known.get(rule);
    if (known !== undefined) return known;
    const made = new Map<string, Kept>();
    this.#known.set(rule, made);
    return made;
  }
}

interface Kept {
  readonly from: number;
  readonly outcome: Outcome;
}

const keptLimit = 20_000;
