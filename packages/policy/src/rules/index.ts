export { checkRule, type RuleCheck } from './check.ts';
export { evaluateRule, type Outcome, type RuleCondition, type RuleResult, ruleOutcome } from './evaluate.ts';
export { inputsOf, type RuleInputs, siteInputs } from './inputs.ts';
export { type RuleProblem, ruleProblem } from './problem.ts';
export { programOf } from './program.ts';
export { whyUnmet } from './unmet.ts';
