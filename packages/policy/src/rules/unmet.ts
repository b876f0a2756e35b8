import type { WorldRule } from '../types.ts';
import { Budgets } from './budget.ts';
import type { RuleInputs } from './inputs.ts';
import { brokenReason } from './problem.ts';
import { programOf } from './program.ts';

/**
 * Why a rule that is not met is not, in a fragment fit for people. It depends on the inputs alone: what a rule says of the
 * time changes without notice, so that is told only where nothing else is in the way.
 */
export function whyUnmet(rule: WorldRule | undefined, inputs: RuleInputs): string {
  if (rule === undefined) return 'the rule is not there';
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
