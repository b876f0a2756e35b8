import type { ASTNode } from '@marcbachmann/cel-js';
import { childrenOf, walkOf } from './ast.ts';

/**
 * Returns the largest parts of an expression that do not depend on the time, without literals. None when the whole
 * expression is such a part.
 */
export function constantsOf(ast: ASTNode): readonly ASTNode[] {
  return scan(ast).constants;
}

interface Scanned {
  readonly node: ASTNode;
  /** Names that it depends on: `time`, and variables of the loops around it. */
  readonly names: ReadonlySet<string>;
  /** Constants inside it; empty when it is a constant itself. */
  readonly constants: readonly ASTNode[];
}

function scan(node: ASTNode, variables: ReadonlySet<string> = new Set(['time'])): Scanned {
  if (node.op === 'id') return { node, names: new Set(variables.has(node.args) ? [node.args] : []), constants: [] };
  const walk = walkOf(node);
  if (walk === null)
    return joined(
      node,
      childrenOf(node).map((child) => scan(child, variables)),
    );
  const { list, variable, body } = walk;
  const inside = scan(body, new Set([...variables, variable]));
  const names = new Set(inside.names);
  names.delete(variable);
  return joined(node, [scan(list, variables), inside], names);
}

function joined(node: ASTNode, parts: readonly Scanned[], own?: ReadonlySet<string>): Scanned {
  const names =
    own === undefined
      ? new Set(parts.flatMap((part) => [...part.names]))
      : new Set([...own, ...(parts[0]?.names ?? [])]);
  if (names.size === 0) return { node, names, constants: [] };
  const constants = parts.flatMap((part) => {
    if (part.names.size > 0) return part.constants;
    return part.node.op === 'value' ? [] : [part.node];
  });
  return { node, names, constants };
}
