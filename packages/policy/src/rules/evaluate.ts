import type { ASTNode } from '@marcbachmann/cel-js';
import type { WorldRule } from '../types.ts';
import { partsOf } from './ast.ts';
import { textOf } from './environment.ts';
import { type RuleInputs, valueAt } from './inputs.ts';
import { brokenReason } from './problem.ts';
import { Program, programOf, type Truth, zoneOf } from './program.ts';
import { RuleTime } from './time.ts';
import type { Zone } from './zone.ts';

/** Whether a rule is met, and for how long that is sure. */
export interface Outcome {
  readonly met: boolean;
  /**
   * Epoch milliseconds: the first moment at which it is otherwise, or, when that is too far away to be looked for, a
   * moment until which it surely stays. Null: it does not change by time alone.
   */
  readonly validUntil: number | null;
  /** When to ask again: `validUntil`, or earlier when it may just go on after that. */
  readonly dueAt: number | null;
}

export interface RuleCondition {
  /** One of the parts that `&&` and `||` join. */
  readonly expression: string;
  readonly met: boolean;
  /** What it asks for, by path; null: unknown. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Why it is not met, in a fragment fit for people. */
  readonly reason?: string;
}

export interface RuleResult extends Outcome {
  readonly conditions: readonly RuleCondition[];
  /** Why it is not met, or null. */
  readonly reason: string | null;
}

/** Outcome of a rule for some inputs at a moment; `zone` is the tenant's and holds where the rule names none. */
export function ruleOutcome(rule: WorldRule, inputs: RuleInputs, at: number, zone: string): Outcome {
  if (rule.unrestricted) return { met: true, validUntil: null, dueAt: null };
  const program = programOf(rule);
  if (program === null) return { met: false, validUntil: null, dueAt: null };
  const wallClock = zoneOf(rule.timeZone ?? zone);
  const first = ask(program, inputs, at, wallClock);
  const { met } = first;
  const grid = program.asksMinutes ? fineGrid : coarseGrid;
  const recheck = Math.floor(at / grid) * grid + grid;
  const horizon = recheck + grid;
  let next = first;
  while (next.boundary < horizon) {
    const { boundary } = next;
    next = ask(program, inputs, boundary, wallClock);
    if (next.met !== met) return { met, validUntil: boundary, dueAt: boundary };
  }
  if (next.boundary === Number.POSITIVE_INFINITY) return { met, validUntil: null, dueAt: null };
  return { met, validUntil: horizon, dueAt: recheck };
}

/** The same with its conditions and their values, for people. */
export function evaluateRule(rule: WorldRule, inputs: RuleInputs, at: number, zone: string): RuleResult {
  const outcome = ruleOutcome(rule, inputs, at, zone);
  if (rule.unrestricted) return { ...outcome, conditions: [], reason: null };
  const program = programOf(rule);
  if (program === null) return { ...outcome, conditions: [], reason: brokenReason(rule) };
  const wallClock = zoneOf(rule.timeZone ?? zone);
  const conditions = partsOf(program.ast).map((part) => conditionOf(part, inputs, at, wallClock));
  const { reason } = ask(program, inputs, at, wallClock);
  return { ...outcome, conditions, reason };
}

/**
 * How far ahead changes are looked for: to the second line of a grid, so that asking at another moment between two lines
 * gives the same answer. Asking again at each line leaves a whole period in hand.
 */
const coarseGrid = 8 * 86_400_000;
const fineGrid = 86_400_000;

interface Answer extends Truth {
  /** First moment at which the time may give another answer. */
  readonly boundary: number;
}

function ask(program: Program, inputs: RuleInputs, at: number, zone: Zone | null): Answer {
  const time = program.asksTime && zone !== null ? new RuleTime(at, zone) : null;
  const truth = program.evaluate(inputs, time);
  return { ...truth, boundary: time?.boundary ?? Number.POSITIVE_INFINITY };
}

function conditionOf(part: ASTNode, inputs: RuleInputs, at: number, zone: Zone | null): RuleCondition {
  const expression = textOf(part);
  const program = new Program(expression);
  const { met, reason } = ask(program, inputs, at, zone);
  const values: Record<string, unknown> = {};
  for (const path of program.paths) values[path.join('.')] = valueAt(inputs, path) ?? null;
  if (program.asksTime) values.time = zone === null ? null : wallClock(at, zone);
  return { expression, met, values, ...(reason === null ? {} : { reason }) };
}

function wallClock(at: number, zone: Zone): string {
  const time = new RuleTime(at, zone);
  const text = new Date(at + zone.offset(at)).toISOString();
  return `${time.weekday} ${text.slice(0, 16)}`;
}
