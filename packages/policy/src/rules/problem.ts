import type { WorldRule } from '../types.ts';
import { checkRule, type RuleCheck } from './check.ts';

/** Why a text is not a rule: what is wrong, where, and what to do about it. */
export type RuleProblem = Omit<Extract<RuleCheck, { ok: false }>, 'ok'>;

/** Returns the problem of a stored rule, which an older version may have accepted, or null. Remembered for a while. */
export function ruleProblem(source: string): RuleProblem | null {
  const known = problems.get(source);
  if (known !== undefined) return known;
  const check = checkRule(source);
  const problem = check.ok ? null : problemOf(check);
  if (problems.size >= 1000) problems.clear();
  problems.set(source, problem);
  return problem;
}

/** Returns why a broken rule is never met, in a sentence fragment for people. */
export function brokenReason(rule: WorldRule): string {
  const problem = ruleProblem(rule.source);
  if (problem === null) return 'the rule is broken';
  return `the rule is broken: line ${problem.line}, column ${problem.column}: ${problem.message}`;
}

const problems = new Map<string, RuleProblem | null>();

function problemOf({ line, column, message, hint }: RuleProblem): RuleProblem {
  return { line, column, message, hint };
}
