import { type ASTNode, EvaluationError } from '@marcbachmann/cel-js';
import { contentId } from '@sallyport/contract/channel';
import type { WorldRule } from '../types.ts';
import { costOf, partsOf, pathsOf } from './ast.ts';
import { Budget, evaluationSteps, OverBudget } from './budget.ts';
import { constantsOf } from './constants.ts';
import { textOf, theEnvironment, variables } from './environment.ts';
import { type RuleInputs, valueAt } from './inputs.ts';
import { KnownOutcomes } from './known.ts';
import { Meter, type Settled } from './metered.ts';
import { ruleProblem } from './problem.ts';
import type { RuleTime } from './time.ts';
import { type Timing, timingOf } from './timing.ts';
import { Zone } from './zone.ts';

/** What one evaluation says: an expression that cannot be evaluated is not met, and `reason` says why. */
export interface Truth {
  readonly met: boolean;
  readonly reason: string | null;
}

/** An admission rule, parsed. */
export class Program {
  readonly ast: ASTNode;
  /** What it can ask for, but for the time. */
  readonly paths: readonly (readonly string[])[];
  readonly asksTime: boolean;
  /** When its answers about the time can change. */
  readonly timing: Timing;
  /** Asks where the device is. */
  readonly asksSource: boolean;
  /** An evaluation may take long enough to hold others up. */
  readonly isDear: boolean;
  /** What is remembered of it. */
  readonly known = new KnownOutcomes();
  readonly #constants: ReadonlySet<ASTNode>;
  readonly #run: (variables: Record<string, unknown>) => unknown;
  readonly #meter: Meter;
  #parts: readonly Part[] | null = null;

  /** The text must be a rule. */
  constructor(source: string) {
    const parsed = theEnvironment().parse(source);
    // Types stay at the nodes, and evaluations go by them.
    const { error } = parsed.check();
    if (error !== undefined) throw error;
    const paths = pathsOf(parsed.ast);
    this.ast = parsed.ast;
    this.paths = paths.filter(([root]) => root !== 'time');
    this.asksSource = paths.some(([root]) => root === 'source');
    this.asksTime = paths.some(([root]) => root === 'time');
    this.timing = timingOf(parsed.ast);
    this.#constants = new Set(this.asksTime ? constantsOf(parsed.ast) : []);
    this.#meter = new Meter(parsed.ast, [...this.#constants]);
    this.isDear = costOf(parsed.ast, 100) > 100 || /\bcontains\b/.test(source);
    this.#run = parsed;
  }

  /** Equal texts: the rule cannot tell the inputs apart. */
  key(inputs: RuleInputs): string {
    if (this.paths.length === 0) return '';
    const key = JSON.stringify(this.paths.map((path) => valueAt(inputs, path) ?? null));
    // Keys are kept for each rule: long attributes are not copied for each of them.
    return key.length <= shortKey ? key : contentId(key);
  }

  /** Steps that an evaluation takes at most, constants settled, with lists up to a length. */
  stepsOf(listLength: number): number {
    return costOf(this.ast, listLength, this.#constants);
  }

  /** Evaluates what does not hang on the time. */
  settle(inputs: RuleInputs): SettledProgram {
    const given = variables(inputs, null);
    const settled = this.#meter.settle(new Budget(evaluationSteps), () => this.#run(given));
    return {
      settled,
      ask: (time, budget, part = null) => this.#ask(settled, withTime(given, time), budget, part),
    };
  }

  /** The parts that `&&` and `||` join, for people. */
  get parts(): readonly Part[] {
    this.#parts ??= partsOf(this.ast).map((node) => {
      const paths = pathsOf(node);
      const [timed, timeless] = [paths.some(([root]) => root === 'time'), paths.filter(([root]) => root !== 'time')];
      return { node, expression: textOf(node), paths: timeless, asksTime: timed };
    });
    return this.#parts;
  }

  evaluate(inputs: RuleInputs, time: RuleTime | null, budget = new Budget(evaluationSteps)): Truth {
    return this.settle(inputs).ask(time, budget);
  }

  #ask(settled: Settled, given: Record<string, unknown>, budget: Budget, part: ASTNode | null): Truth {
    try {
      const result = this.#meter.run(budget, settled, part, () => this.#run(given));
      // `||`, `&&`, `all` and `exists` pass over errors, also over that one.
      if (budget.exhausted) throw new OverBudget();
      if (typeof result === 'boolean') return { met: result, reason: result ? null : 'it is not true' };
      return { met: false, reason: 'it is neither true nor false' };
    } catch (error) {
      return { met: false, reason: budget.exhausted ? new OverBudget().message : reasonOf(error) };
    }
  }
}

/** A program for some inputs, to be asked at any time. */
export interface SettledProgram {
  readonly settled: Settled;
  /** Evaluates the whole or one of its parts. A budget is for one evaluation. */
  ask(time: RuleTime | null, budget: Budget, part?: ASTNode | null): Truth;
}

export interface Part {
  readonly node: ASTNode;
  readonly expression: string;
  /** What it asks for, but for the time. */
  readonly paths: readonly (readonly string[])[];
  readonly asksTime: boolean;
}

const shortKey = 1000;

function withTime(given: Record<string, unknown>, time: RuleTime | null): Record<string, unknown> {
  return time === null ? given : { ...given, time };
}

/** Program of a rule; null when it is broken, and so is never met. Remembered with the rule object. */
export function programOf(rule: WorldRule): Program | null {
  const known = programs.get(rule);
  if (known !== undefined) return known;
  const program = ruleProblem(rule.source) === null ? new Program(rule.source) : null;
  programs.set(rule, program);
  return program;
}

/** Zone of a name; null when there is none. */
export function zoneOf(name: string): Zone | null {
  const known = zones.get(name);
  if (known !== undefined) return known;
  if (zones.size >= 1000) zones.clear();
  const zone = makeZone(name);
  zones.set(name, zone);
  return zone;
}

// Only what is dear to make and the same for everybody is remembered: no answer depends on what was asked before.
const programs = new WeakMap<WorldRule, Program | null>();
const zones = new Map<string, Zone | null>();

function makeZone(name: string): Zone | null {
  try {
    return new Zone(name);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof EvaluationError)) return error instanceof Error ? error.message : 'it cannot be evaluated';
  const { code, node, summary, cause } = error;
  if (cause instanceof Error) return cause.message;
  const unknown = code === 'no_such_key' || code === 'unknown_variable';
  return unknown && node !== undefined ? `${textOf(node)} is not known` : summary;
}
