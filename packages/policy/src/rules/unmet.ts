import type { WorldRule } from '../types.ts';
import { partsOf } from './ast.ts';
import { textOf } from './environment.ts';
import type { RuleInputs } from './inputs.ts';
import { brokenReason } from './problem.ts';
import { Program, programOf } from './program.ts';

/**
 * Why a rule that is not met is not, in a fragment fit for people. It depends on the inputs alone: what a rule says of the
 * time changes without notice, so that is told only where nothing else is in the way.
 */
export function whyUnmet(rule: WorldRule | undefined, inputs: RuleInputs): string {
  if (rule === undefined) return 'the rule is not there';
  const program = programOf(rule);
  if (program === null) return brokenReason(rule);
  const failing = timelessParts(rule, program).flatMap(({ text, part }) => {
    const { met, reason } = part.evaluate(inputs, null);
    return met ? [] : [reason === null || reason === 'it is not true' ? `${text} is not true` : reason];
  });
  if (failing.length > 0) return [...new Set(failing)].join(', ');
  return program.asksTime ? 'it is closed at this time' : 'it is not true';
}

interface TimelessPart {
  readonly text: string;
  readonly part: Program;
}

function timelessParts(rule: WorldRule, program: Program): readonly TimelessPart[] {
  const known = parts.get(rule);
  if (known !== undefined) return known;
  const made = partsOf(program.ast)
    .map((node) => ({ text: textOf(node), part: new Program(textOf(node)) }))
    .filter(({ part }) => !part.asksTime);
  parts.set(rule, made);
  return made;
}

// As programs are: dear to make, and the same for everybody.
const parts = new WeakMap<WorldRule, readonly TimelessPart[]>();
