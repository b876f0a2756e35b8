export { checkRule, type RuleCheck } from './check.ts';
export { evaluateRule, type RuleCondition, type RuleResult } from './evaluate.ts';
export { inputsOf, type RuleInputs, siteInputs } from './inputs.ts';
export type { Outcome } from './known.ts';
export { ruleOutcome } from './outcome.ts';
export { type RuleProblem, ruleProblem } from './problem.ts';
export { programOf } from './program.ts';
export { whyUnmet } from './unmet.ts';
