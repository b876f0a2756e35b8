import type { WorldRule } from '../types.ts';
import { Budgets } from './budget.ts';
import type { RuleInputs } from './inputs.ts';
import { brokenReason } from './problem.ts';
import { programOf } from './program.ts';

/**
 * Returns why a rule is not met, in a sentence fragment for people. It depends on the inputs alone. Conditions about
 * the time change without notice, so they are named only when all other conditions are met.
 */
export function whyUnmet(rule: WorldRule | undefined, inputs: RuleInputs): string {
  if (rule === undefined) return 'the rule does not exist';
  const program = programOf(rule);
  if (program === null) return brokenReason(rule);
  const settled = program.settle(inputs);
  const budgets = new Budgets();
  const failing = program.parts.flatMap(({ node, expression, asksTime }) => {
    if (asksTime) return [];
    const { met, reason } = budgets.spend((budget) => settled.ask(null, budget, node));
    return met ? [] : [reason === null || reason === 'it is not true' ? `${expression} is not true` : reason];
  });
  if (failing.length > 0) return [...new Set(failing)].join(', ');
  return program.asksTime ? 'it is closed at this time' : 'it is not true';
}
