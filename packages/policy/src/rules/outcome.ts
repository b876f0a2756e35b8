import type { ASTNode } from '@marcbachmann/cel-js';
import type { WorldRule } from '../types.ts';
import { Budget, evaluationSteps, OverBudget, walkSteps } from './budget.ts';
import type { RuleInputs } from './inputs.ts';
import type { Outcome } from './known.ts';
import type { Settled } from './metered.ts';
import { type Program, programOf, type SettledProgram, type Truth, zoneOf } from './program.ts';
import { RuleTime } from './time.ts';
import type { Zone } from './zone.ts';

/** Returns the outcome of a rule for some inputs at a moment. `zone` is the tenant's, for rules that name none. */
export function ruleOutcome(rule: WorldRule, inputs: RuleInputs, at: number, zone: string): Outcome {
  if (rule.unrestricted) return { met: true, validUntil: null, dueAt: null };
  const program = programOf(rule);
  if (program === null) return never;
  const name = rule.timeZone ?? zone;
  return program.isDear
    ? remembered(program, `${name} of ${program.key(inputs)}`, at, () => outcomeOf(program, inputs, at, name))
    : outcomeOf(program, inputs, at, name);
}

function outcomeOf(program: Program, inputs: RuleInputs, at: number, name: string): Outcome {
  const wallClock = zoneOf(name);
  const settled = program.settle(inputs);
  if (!program.asksTime || wallClock === null) {
    const { met } = settled.ask(null, new Budget(evaluationSteps));
    return { met, validUntil: null, dueAt: null };
  }
  // Inputs with equal results for all parts that do not depend on the time share one walk.
  const key = keyOf(settled.settled);
  const look = () => walk(program, settled, at, wallClock);
  return key === null ? look() : remembered(program, `${name} ${key}`, at, look);
}

function remembered(program: Program, key: string, at: number, make: () => Outcome): Outcome {
  const known = program.known.get(key, at);
  if (known !== null) return known;
  const outcome = make();
  program.known.set(key, at, outcome);
  return outcome;
}

/** The result of one evaluation, and until when it holds. */
export interface Answer extends Truth {
  /** First moment at which the answer may change by time. */
  readonly boundary: number;
}

/** Evaluates a program, or a part of it, at a moment. Without a zone the time is unknown. */
export function askAt(
  program: Program,
  settled: SettledProgram,
  at: number,
  zone: Zone | null,
  budget = new Budget(evaluationSteps),
  part: ASTNode | null = null,
): Answer {
  const time = program.asksTime && zone !== null ? new RuleTime(at, zone, program.timing) : null;
  const truth = settled.ask(time, budget, part);
  return { ...truth, boundary: time?.boundary ?? Number.POSITIVE_INFINITY };
}

/** Looks ahead for the first change of the outcome, from one moment at which an answer may change to the next. */
function walk(program: Program, settled: SettledProgram, at: number, zone: Zone): Outcome {
  let left = walkSteps;
  const ask = (moment: number) => {
    const given = Math.min(evaluationSteps, left);
    const budget = new Budget(given);
    const answer = askAt(program, settled, moment, zone, budget);
    left -= given - Math.max(0, budget.left);
    return { ...answer, exhausted: budget.exhausted };
  };
  const first = ask(at);
  const { met } = first;
  const grid = gridOf(program, settled.settled);
  const [recheck, horizon] = [lineAfter(at, grid), lineAfter(at, grid) + grid];
  let next = first;
  while (next.boundary < horizon) {
    const { boundary } = next;
    // Moments that were not examined count as not met. What is not met stays so for a while.
    if (left <= 0 || first.exhausted) return met ? until(boundary) : until(lineAfter(at, hour));
    next = ask(boundary);
    if (next.met !== met) return until(boundary);
  }
  if (next.boundary === Number.POSITIVE_INFINITY) return { met, validUntil: null, dueAt: null };
  return { met, validUntil: horizon, dueAt: recheck };

  function until(moment: number): Outcome {
    return { met, validUntil: moment, dueAt: moment };
  }
}

const never: Outcome = { met: false, validUntil: null, dueAt: null };

/**
 * Returns the grid that bounds how far to look ahead: up to its second line. So asking at another moment between two
 * lines gives the same answer, and asking again at each line leaves a whole period. The grid is the widest for which
 * the steps of a walk suffice.
 */
function gridOf(program: Program, settled: Settled): number {
  const { perDay, asksMinutes } = program.timing;
  const steps = program.stepsOf(Math.max(100, longestOf(settled)));
  const fits = (grid: number) => ((2 * grid * perDay) / day + 4) * steps <= walkSteps;
  return (asksMinutes ? grids.slice(1) : grids).find(fits) ?? 10 * minute;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const grids: readonly number[] = [8 * day, day, 6 * hour, hour, 10 * minute];

function lineAfter(at: number, grid: number): number {
  return Math.floor(at / grid) * grid + grid;
}

function longestOf(settled: Settled): number {
  let longest = 0;
  for (const result of settled.values())
    if ('value' in result && Array.isArray(result.value)) longest = Math.max(longest, result.value.length);
  return longest;
}

/** Returns a text that is equal for results that parts about the time cannot tell apart. Null: values are too large. */
function keyOf(settled: Settled): string | null {
  let room = longestKey;
  const values = [...settled.values()].map((result) =>
    'value' in result ? result : { [tag]: result.error instanceof OverBudget ? 'over budget' : 'error' },
  );
  const plain = (_: string, value: unknown) => {
    room -= typeof value === 'string' ? value.length : 10;
    if (room < 0) throw tooLong;
    return isPlain(value) ? value : { [tag]: `${typeof value} ${value}` };
  };
  try {
    return JSON.stringify(values, plain);
  } catch (error) {
    if (error === tooLong) return null;
    throw error;
  }
}

const longestKey = 10_000;
const tooLong = new RangeError('the values are too large for a key');

/** Starts names that no value can have. */
const tag = '\u0000';

/** Returns whether JSON represents a value uniquely. */
function isPlain(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0);
  return typeof value !== 'bigint';
}
