import type { WorldRule } from '../types.ts';
import { Budgets } from './budget.ts';
import { type RuleInputs, valueAt } from './inputs.ts';
import type { Outcome } from './known.ts';
import { askAt, ruleOutcome } from './outcome.ts';
import { brokenReason } from './problem.ts';
import { type Part, programOf, zoneOf } from './program.ts';
import { RuleTime } from './time.ts';
import type { Zone } from './zone.ts';

/** One condition of a rule, with its values. */
export interface RuleCondition {
  /** One of the parts that `&&` and `||` join. */
  readonly expression: string;
  readonly met: boolean;
  /** The values that it reads, by path; null: unknown. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Why it is not met, in a sentence fragment for people. */
  readonly reason?: string;
}

/** The outcome of a rule with its conditions. */
export interface RuleResult extends Outcome {
  readonly conditions: readonly RuleCondition[];
  /** Why it is not met, or null. */
  readonly reason: string | null;
}

/** Returns the outcome of a rule with its conditions and their values, to show to people. */
export function evaluateRule(rule: WorldRule, inputs: RuleInputs, at: number, zone: string): RuleResult {
  const outcome = ruleOutcome(rule, inputs, at, zone);
  if (rule.unrestricted) return { ...outcome, conditions: [], reason: null };
  const program = programOf(rule);
  if (program === null) return { ...outcome, conditions: [], reason: brokenReason(rule) };
  const wallClock = zoneOf(rule.timeZone ?? zone);
  const settled = program.settle(inputs);
  const budgets = new Budgets();
  const conditions = program.parts.map((part) => {
    const { met, reason } = budgets.spend((budget) => askAt(program, settled, at, wallClock, budget, part.node));
    return { ...conditionOf(part, inputs, at, wallClock), met, ...(reason === null ? {} : { reason }) };
  });
  const { reason } = askAt(program, settled, at, wallClock);
  return { ...outcome, conditions, reason };
}

function conditionOf({ expression, paths, asksTime }: Part, inputs: RuleInputs, at: number, zone: Zone | null) {
  const values: Record<string, unknown> = {};
  for (const path of paths) values[path.join('.')] = shown(valueAt(inputs, path) ?? null);
  if (asksTime) values.time = zone === null ? null : wallClock(at, zone);
  return { expression, values };
}

/** Shortens a value for people, because each part of a rule may show it again. */
function shown(value: unknown): unknown {
  if (typeof value === 'string' && value.length > shownCharacters) return `${value.slice(0, shownCharacters)}…`;
  if (!Array.isArray(value) || value.length <= shownElements) return Array.isArray(value) ? value.map(shown) : value;
  return [...value.slice(0, shownElements).map(shown), `… and ${value.length - shownElements} more`];
}

const shownCharacters = 200;
const shownElements = 20;

function wallClock(at: number, zone: Zone): string {
  const time = new RuleTime(at, zone);
  const text = new Date(at + zone.offset(at)).toISOString();
  return `${time.weekday} ${text.slice(0, 16)}`;
}
