import { type ASTNode, EvaluationError } from '@marcbachmann/cel-js';
import type { WorldRule } from '../types.ts';
import { pathsOf } from './ast.ts';
import { Budget, evaluationSteps, OverBudget } from './budget.ts';
import { textOf, theEnvironment, variables } from './environment.ts';
import { type RuleInputs, valueAt } from './inputs.ts';
import { Meter } from './metered.ts';
import { ruleProblem } from './problem.ts';
import type { RuleTime } from './time.ts';
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
  readonly asksMinutes: boolean;
  /** Asks where the device is. */
  readonly asksSource: boolean;
  readonly #run: (variables: Record<string, unknown>) => unknown;
  readonly #meter: Meter;

  /** The text must be a rule, or a part of one. */
  constructor(source: string) {
    const parsed = theEnvironment().parse(source);
    // Types stay at the nodes, and evaluations go by them.
    const { error } = parsed.check();
    if (error !== undefined) throw error;
    this.#meter = new Meter(parsed.ast);
    const paths = pathsOf(parsed.ast);
    this.ast = parsed.ast;
    this.paths = paths.filter(([root]) => root !== 'time');
    this.asksSource = paths.some(([root]) => root === 'source');
    this.asksTime = paths.some(([root]) => root === 'time');
    this.asksMinutes = paths.some(([root, name]) => root === 'time' && name === 'minute');
    this.#run = parsed;
  }

  /** Equal texts: the rule cannot tell the inputs apart. */
  key(inputs: RuleInputs): string {
    if (this.paths.length === 0) return '';
    return JSON.stringify(this.paths.map((path) => valueAt(inputs, path) ?? null));
  }

  evaluate(inputs: RuleInputs, time: RuleTime | null, budget = new Budget(evaluationSteps)): Truth {
    try {
      const result = this.#meter.run(budget, () => this.#run(variables(inputs, time)));
      // `||`, `&&`, `all` and `exists` pass over errors, also over that one.
      if (budget.exhausted) throw new OverBudget();
      if (typeof result === 'boolean') return { met: result, reason: result ? null : 'it is not true' };
      return { met: false, reason: 'it is neither true nor false' };
    } catch (error) {
      return { met: false, reason: budget.exhausted ? new OverBudget().message : reasonOf(error) };
    }
  }
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
