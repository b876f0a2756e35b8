import type { ASTNode, Environment } from '@marcbachmann/cel-js';
import { childrenOf, costOf } from './ast.ts';
import {
  assertCountry,
  environmentForChecks,
  fields,
  helpers,
  limits,
  noteRefused,
  plainFunctions,
  ruleCidr,
} from './environment.ts';
import { assertWeekday, localMoment, timeOfDay } from './time.ts';

/** The result of checking a rule: whether it is valid, or what is wrong and where. */
export type RuleCheck =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** Line and column of the problem, both from 1. */
      readonly line: number;
      readonly column: number;
      readonly message: string;
      /** What to do about it. */
      readonly hint: string;
    };

/**
 * Checks whether a text is an admission rule: it parses, its types fit, it gives a boolean, and its cost is bounded.
 */
export function checkRule(source: string): RuleCheck {
  if (source.length > limits.length)
    return wrong(source, limits.length, 'the rule is too long', `At most ${limits.length} characters.`);
  try {
    const check = checkedBy(environmentForChecks(), source);
    if (!check.ok) noteRefused(source);
    return check;
  } catch (error) {
    noteRefused(source);
    // A text that nests too deeply for the parser throws a RangeError.
    if (isFailure(error)) return failed(source, error);
    return wrong(source, 0, 'the rule cannot be read', 'Write fewer operators and brackets inside of each other.');
  }
}

/** Throws ParseError. */
function checkedBy(environment: Environment, source: string): RuleCheck {
  const parsed = environment.parse(source);
  const { ast } = parsed;
  const problem = firstProblem(ast, (node) => callProblem(node) ?? textProblem(node)) ?? costProblem(ast);
  if (problem !== null) return wrong(source, problem.node.start, problem.message, problem.hint);
  const checked = parsed.check();
  if (checked.error !== undefined) return failed(source, checked.error);
  const growth = firstProblem(ast, growthProblem);
  if (growth !== null) return wrong(source, growth.node.start, growth.message, growth.hint);
  if (checked.type === 'bool') return { ok: true };
  const hint = checked.type === 'dyn' ? 'Compare it with a value, as in `… == true`.' : 'Write a comparison.';
  return wrong(source, 0, `a rule must be true or false, this one gives ${checked.type}`, hint);
}

interface Failure {
  readonly code: string;
  readonly summary: string;
  readonly range?: { readonly start: number };
}

interface Problem {
  readonly node: ASTNode;
  readonly message: string;
  readonly hint: string;
}

function isFailure(error: unknown): error is Failure {
  return error instanceof Error && error.name === 'ParseError';
}

function failed(source: string, { code, summary, range }: Failure): RuleCheck {
  return wrong(source, range?.start ?? 0, summary, hintFor(code, summary));
}

function wrong(source: string, position: number, message: string, hint: string): RuleCheck {
  const lines = source.slice(0, position).split('\n');
  return { ok: false, line: lines.length, column: (lines.at(-1) as string).length + 1, message, hint };
}

function hintFor(code: string, summary: string): string {
  if (code === 'unknown_variable') return 'Variables are user, groups, device, posture, source and time.';
  if (code === 'no_such_key') {
    const lists = Object.entries(fields).map(([name, own]) => `${name}: ${own.join(', ')}`);
    return `Fields are ${lists.join('; ')}. What an identity provider tells is in user.attributes.`;
  }
  const helper = Object.keys(helpers).find((name) => summary.includes(`.${name}(`));
  if (helper !== undefined) return `It is called as in ${helpers[helper]}.`;
  if (code === 'limit_exceeded') return 'Split it into several rules, or use groups instead of long lists.';
  if (code === 'no_such_overload') return 'Both sides need the same type: texts in quotes, numbers without.';
  return "A rule is a condition as in user.department == 'Engineering' && time.between('08:00', '18:00').";
}

/** Returns the problem of the first part of a rule that has one, or null. */
function firstProblem(node: ASTNode, problemOf: (node: ASTNode) => Problem | null): Problem | null {
  const problem = problemOf(node);
  if (problem !== null) return problem;
  for (const child of childrenOf(node)) {
    const found = firstProblem(child, problemOf);
    if (found !== null) return found;
  }
  return null;
}

/** Returns a problem for an expression that builds values larger than its inputs: they could double with each step. */
function growthProblem(node: ASTNode): Problem | null {
  if (node.op === 'value' && typeof node.args === 'bigint' && node.args > 2n ** 63n)
    return { node, message: 'the number is too large', hint: 'Numbers go up to 9223372036854775807.' };
  if (node.op !== '+' || !node.args.some(isJoin)) return null;
  const hint = 'Compare the parts one by one, as in `a == … && b == …`, or use startsWith and endsWith.';
  return { node, message: '+ adds numbers only, it joins no texts and no lists', hint };
}

/** Returns whether the operand is a text, a list or bytes, by the type that the check stored. */
function isJoin(node: ASTNode & { readonly checkedType?: { readonly name: string } }): boolean {
  return /^(dyn<)?(string|list|bytes)\b/.test(node.checkedType?.name ?? '');
}

function costProblem(node: ASTNode): Problem | null {
  if (costOf(node, limits.listLength) <= limits.cost) return null;
  const hint = 'Walk fewer lists, or do not walk one inside of another; split it into several rules.';
  return { node, message: 'the rule may take too long', hint };
}

function callProblem(node: ASTNode): Problem | null {
  if (node.op !== 'call' && node.op !== 'rcall') return null;
  const [name] = node.args;
  if (plainFunctions.has(name) || Object.hasOwn(helpers, name)) return null;
  const ours = Object.values(helpers).join(', ');
  const plain = [...plainFunctions].join(', ');
  const instead = name === 'matches' ? 'Use contains, startsWith or endsWith. ' : '';
  return {
    node,
    message: `there is no function ${name} in rules`,
    hint: `${instead}Functions are ${plain}, and ${ours}.`,
  };
}

function textProblem(node: ASTNode): Problem | null {
  if (node.op !== 'rcall') return null;
  const [name, , args] = node.args;
  const check = textChecks[name];
  if (check === undefined) return null;
  for (const value of args.flatMap((arg) => (arg.op === 'list' ? arg.args : [arg])))
    try {
      if (value.op === 'value' && typeof value.args === 'string') check(value.args);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { node: value, message: error.message, hint: `It is called as in ${helpers[name]}.` };
    }
  return null;
}

const textChecks: Readonly<Record<string, (text: string) => unknown>> = {
  inCidr: ruleCidr,
  inCountry: assertCountry,
  between: timeOfDay,
  onWeekdays: assertWeekday,
  before: localMoment,
  after: localMoment,
};
