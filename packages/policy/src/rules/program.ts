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

/** The result of one evaluation. An expression that cannot be evaluated is not met, and `reason` says why. */
export interface Truth {
  readonly met: boolean;
  readonly reason: string | null;
}

/** A parsed admission rule. */
export class Program {
  readonly ast: ASTNode;
  /** Paths of the values that it can read, without the time. */
  readonly paths: readonly (readonly string[])[];
  readonly asksTime: boolean;
  /** When its answers about the time can change. */
  readonly timing: Timing;
  /** Whether it reads the address or country of the device. */
  readonly asksSource: boolean;
  /** Whether an evaluation may take long enough to delay other work. */
  readonly isDear: boolean;
  /** Its remembered outcomes. */
  readonly known = new KnownOutcomes();
  readonly #constants: ReadonlySet<ASTNode>;
  readonly #run: (variables: Record<string, unknown>) => unknown;
  readonly #meter: Meter;
  #parts: readonly Part[] | null = null;

  /** Throws when the text is not a rule. */
  constructor(source: string) {
    const parsed = theEnvironment().parse(source);
    // The check stores types at the nodes, and evaluations use them.
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

  /** Returns a text that is equal for inputs that the rule cannot tell apart. */
  key(inputs: RuleInputs): string {
    if (this.paths.length === 0) return '';
    const key = JSON.stringify(this.paths.map((path) => valueAt(inputs, path) ?? null));
    // Keys are kept for each rule, so long attributes are replaced by a hash.
    return key.length <= shortKey ? key : contentId(key);
  }

  /** Returns the most steps that an evaluation takes after `settle`, with lists up to a length. */
  stepsOf(listLength: number): number {
    return costOf(this.ast, listLength, this.#constants);
  }

  /** Evaluates the parts that do not depend on the time. */
  settle(inputs: RuleInputs): SettledProgram {
    const given = variables(inputs, null);
    const settled = this.#meter.settle(new Budget(evaluationSteps), () => this.#run(given));
    return {
      settled,
      ask: (time, budget, part = null) => this.#ask(settled, withTime(given, time), budget, part),
    };
  }

  /** The parts that `&&` and `||` join, to show to people. */
  get parts(): readonly Part[] {
    this.#parts ??= partsOf(this.ast).map((node) => {
      const paths = pathsOf(node);
      const [timed, timeless] = [paths.some(([root]) => root === 'time'), paths.filter(([root]) => root !== 'time')];
      return { node, expression: textOf(node), paths: timeless, asksTime: timed };
    });
    return this.#parts;
  }

  /** Evaluates the rule for some inputs and a time, within a budget. */
  evaluate(inputs: RuleInputs, time: RuleTime | null, budget = new Budget(evaluationSteps)): Truth {
    return this.settle(inputs).ask(time, budget);
  }

  #ask(settled: Settled, given: Record<string, unknown>, budget: Budget, part: ASTNode | null): Truth {
    try {
      const result = this.#meter.run(budget, settled, part, () => this.#run(given));
      // `||`, `&&`, `all` and `exists` ignore errors, this one too.
      if (budget.exhausted) throw new OverBudget();
      if (typeof result === 'boolean') return { met: result, reason: result ? null : 'it is not true' };
      return { met: false, reason: 'it is neither true nor false' };
    } catch (error) {
      return { met: false, reason: budget.exhausted ? new OverBudget().message : reasonOf(error) };
    }
  }
}

/** A program for some inputs. It can be evaluated for any moment. */
export interface SettledProgram {
  readonly settled: Settled;
  /** Evaluates the whole program or one part. Each evaluation needs its own budget. */
  ask(time: RuleTime | null, budget: Budget, part?: ASTNode | null): Truth;
}

/** A part of a rule, to show to people. */
export interface Part {
  readonly node: ASTNode;
  readonly expression: string;
  /** Paths of the values that it reads, without the time. */
  readonly paths: readonly (readonly string[])[];
  readonly asksTime: boolean;
}

const shortKey = 1000;

function withTime(given: Record<string, unknown>, time: RuleTime | null): Record<string, unknown> {
  return time === null ? given : { ...given, time };
}

/** Returns the program of a rule, remembered with the rule object. Null: the rule is broken and never met. */
export function programOf(rule: WorldRule): Program | null {
  const known = programs.get(rule);
  if (known !== undefined) return known;
  const program = ruleProblem(rule.source) === null ? new Program(rule.source) : null;
  programs.set(rule, program);
  return program;
}

/** Returns the time zone with a name, or null. */
export function zoneOf(name: string): Zone | null {
  const known = zones.get(name);
  if (known !== undefined) return known;
  if (zones.size >= 1000) zones.clear();
  const zone = makeZone(name);
  zones.set(name, zone);
  return zone;
}

// Only results that are expensive and always the same are remembered. No answer depends on earlier questions.
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
