import type { ASTNode } from '@marcbachmann/cel-js';
import { childrenOf } from './ast.ts';
import { type Budget, OverBudget } from './budget.ts';
import { isJoined, weightOf } from './weight.ts';

/** The result of a part of a tree. */
type Result = { readonly value: unknown } | { readonly error: unknown };

/** The results of the constants of a tree, in order. */
export type Settled = ReadonlyMap<object, Result>;

/** Charges evaluations of one parsed tree to a budget. */
export class Meter {
  #budget: Budget | null = null;
  #errorSteps = 0;
  #charged: unknown = null;
  #settling: Map<object, Result> | null = null;
  #settled: Settled = new Map();
  #part: Node | null = null;

  /**
   * Meters a type-checked tree. From now on it must be evaluated inside `settle` or `run`. The constants are parts of
   * the tree, never all of it. `settle` evaluates them once for all runs.
   */
  constructor(root: ASTNode, constants: readonly ASTNode[]) {
    // Error messages of the library quote the whole text.
    this.#errorSteps = 60 + Math.ceil(root.input.length / 8);
    const node = root as unknown as Node;
    this.#meter(node);
    this.#settleAt(node, constants as unknown as readonly Node[]);
  }

  /** Evaluates the constants. `evaluate` evaluates the tree. */
  settle(budget: Budget, evaluate: () => unknown): Settled {
    const settled = new Map<object, Result>();
    this.#settling = settled;
    try {
      this.#with(budget, evaluate);
    } finally {
      this.#settling = null;
    }
    return settled;
  }

  /** Evaluates the tree, or a part of it that is not inside a loop over a list. */
  run<T>(budget: Budget, settled: Settled, part: ASTNode | null, evaluate: () => T): T {
    this.#settled = settled;
    this.#part = part as unknown as Node | null;
    try {
      return this.#with(budget, evaluate);
    } finally {
      this.#part = null;
    }
  }

  #with<T>(budget: Budget, evaluate: () => T): T {
    this.#budget = budget;
    const { stackTraceLimit } = Error;
    // Stack traces are most of the cost of an error, and unused here.
    Error.stackTraceLimit = 0;
    try {
      return evaluate();
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
      this.#budget = null;
      this.#charged = null;
    }
  }

  #settleAt(root: Node, constants: readonly Node[]): void {
    const whole = root.evaluate;
    const parts = constants.map((node) => [node, node.evaluate] as const);
    root.evaluate = (evaluator, node, context) => {
      const asked = this.#part;
      this.#part = null;
      if (asked !== null && asked !== root) return evaluator.run(asked, context);
      if (this.#settling === null) return whole(evaluator, node, context);
      for (const [part, evaluate] of parts)
        this.#settling.set(
          part,
          resultOf(() => evaluate(evaluator, part, context)),
        );
      return null;
    };
    for (const node of constants) node.evaluate = () => this.#known(node);
  }

  #known(node: Node): unknown {
    const result = this.#settled.get(node);
    if (result === undefined) throw new Error('a rule is evaluated before its constants');
    if (!('error' in result)) {
      this.#take(1);
      return result.value;
    }
    this.#take(result.error instanceof OverBudget ? Number.POSITIVE_INFINITY : 1);
    throw result.error;
  }

  #take(steps: number): void {
    if (this.#budget === null) throw new Error('a rule is evaluated without a budget');
    this.#budget.take(steps);
  }

  #meter(node: Node): void {
    const evaluate = this.#weighed(node);
    node.evaluate = (evaluator, _node, context) => {
      this.#take(1);
      try {
        return evaluate(evaluator, node, context);
      } catch (error) {
        this.#takeError(error);
        throw error;
      }
    };
    for (const part of partsOf(node)) this.#meter(part);
  }

  /** Charges each error once, where it is thrown. */
  #takeError(error: unknown): void {
    if (error === this.#charged || error instanceof OverBudget) return;
    this.#charged = error;
    this.#take(this.#errorSteps);
  }

  #weighed(node: Node): Evaluate {
    const { alternate, macro, evaluate } = node.meta;
    if (alternate !== undefined) return (evaluator, _node, context) => evaluator.run(alternate, context);
    if (macro !== undefined) return (evaluator, _node, context) => macro.evaluate(evaluator, macro, context);
    if (node.op === 'rcall') return this.#weighedCall(node, node.args[0] as string, node.receiverWithArgs as Node[]);
    if (node.op === 'call') return this.#weighedCall(node, node.args[0] as string, node.args[1] as Node[]);
    return weighedOperators.has(node.op) ? this.#weighedOperator(node) : evaluate;
  }

  #weighedOperator(node: Node): Evaluate {
    const { op, left, right } = node as Node & { left: Node; right: Node };
    return (evaluator, _node, context) => {
      const values = [evaluator.run(left, context), evaluator.run(right, context)];
      if (op === '+' && values.some(isJoined)) throw new RangeError('+ adds numbers only');
      this.#take(weightOf(op, values));
      return (node.handle as OperatorHandle)(values[0], values[1], node, evaluator);
    };
  }

  #weighedCall(node: Node, name: string, args: readonly Node[]): Evaluate {
    const method = node.op === 'rcall';
    return (evaluator, _node, context) => {
      // From last to first, as the library does. People see the first error.
      const values = args.toReversed().map((arg) => evaluator.run(arg, context));
      values.reverse();
      this.#take(weightOf(name, values));
      const handle = node.handle as CallHandle;
      return method ? handle(values, evaluator, node) : handle(values, node, evaluator);
    };
  }
}

function resultOf(evaluate: () => unknown): Result {
  try {
    return { value: evaluate() };
  } catch (error) {
    return { error };
  }
}

/**
 * A node after the library's type check. The library does not declare these fields; tests of metering notice changes.
 */
type Node = Omit<ASTNode, 'args'> & {
  args: readonly unknown[] & { iterable?: Node; init?: Node; step?: Node };
  evaluate: Evaluate;
  readonly meta: { alternate?: Node; macro?: { evaluate: MacroEvaluate }; evaluate: Evaluate };
  readonly left?: Node;
  readonly right?: Node;
  readonly receiverWithArgs?: readonly Node[];
  readonly handle?: unknown;
};
type Evaluator = { run(node: Node, context: unknown): unknown };
type Evaluate = (evaluator: Evaluator, node: Node, context: unknown) => unknown;
type MacroEvaluate = (evaluator: Evaluator, macro: object, context: unknown) => unknown;
type OperatorHandle = (left: unknown, right: unknown, node: Node, evaluator: Evaluator) => unknown;
type CallHandle = (values: unknown[], ...rest: [Node, Evaluator] | [Evaluator, Node]) => unknown;

const weighedOperators: ReadonlySet<string> = new Set([
  '==',
  '!=',
  'in',
  '+',
  '-',
  '*',
  '/',
  '%',
  '<',
  '<=',
  '>',
  '>=',
]);

/** Returns the nodes that are evaluated for a node: for a macro, its expansion. */
function partsOf(node: Node): readonly Node[] {
  if (node.meta.alternate !== undefined) return [node.meta.alternate];
  const op: string = node.op;
  if (op === 'comprehension') return [node.args.iterable, node.args.init, node.args.step] as Node[];
  if (op.startsWith('accu')) return [];
  return childrenOf(node as unknown as ASTNode) as unknown as Node[];
}
