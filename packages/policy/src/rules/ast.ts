import type { ASTNode } from '@marcbachmann/cel-js';

/** Returns the values that an expression can read, as paths like `['user', 'attributes', 'level']`. */
export function pathsOf(node: ASTNode): string[][] {
  const paths = new Map<string, string[]>();
  for (const path of pathsIn(node)) paths.set(path.join('\n'), path);
  return [...paths.values()];
}

/** Returns the parts that `&&` and `||` join at the top of an expression; the expression itself when there are none. */
export function partsOf(node: ASTNode): ASTNode[] {
  return node.op === '&&' || node.op === '||' ? node.args.flatMap(partsOf) : [node];
}

/** Returns the children of a node. */
export function childrenOf(node: ASTNode): ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return [];
    case '.':
    case '.?':
      return [node.args[0]];
    case 'call':
      return node.args[1];
    case 'rcall':
      return [node.args[1], ...node.args[2]];
    case 'map':
      return node.args.flat();
    case '!_':
    case '-_':
      return [node.args];
    default:
      return node.args;
  }
}

/**
 * Returns the most steps that an evaluation takes. Lists that are not literals have a given length; parts that are
 * known already take one step each.
 */
export function costOf(node: ASTNode, listLength: number, known?: ReadonlySet<ASTNode>): number {
  if (known?.has(node)) return 1;
  const sum = (nodes: readonly ASTNode[]) => nodes.reduce((cost, part) => cost + costOf(part, listLength, known), 0);
  if (node.op !== 'rcall' || !walksOfLists.has(node.args[0])) return 1 + sum(childrenOf(node));
  const [, list, body] = node.args;
  const length = list.op === 'list' ? list.args.length : listLength;
  return 1 + sum([list]) + (1 + length) * sum(body);
}

/** Returns the parts of a loop such as `list.all(variable, body)`; null for another node. */
export function walkOf(node: ASTNode): { list: ASTNode; variable: string; body: ASTNode } | null {
  if (node.op !== 'rcall' || !walksOfLists.has(node.args[0])) return null;
  const [, list, [variable, body]] = node.args;
  return variable?.op === 'id' && body !== undefined ? { list, variable: variable.args, body } : null;
}

const walksOfLists: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one']);

function* pathsIn(node: ASTNode): Generator<string[]> {
  const path = pathOf(node);
  if (path !== null) yield path;
  else if (node.op === 'rcall' && node.args[0] === 'inCidr' && isVariable(node.args[1], 'source')) {
    yield ['source', 'ip'];
    for (const child of node.args[2]) yield* pathsIn(child);
  } else if (node.op === 'rcall' && node.args[0] === 'inCountry' && isVariable(node.args[1], 'source')) {
    yield ['source', 'country'];
    for (const child of node.args[2]) yield* pathsIn(child);
  } else for (const child of childrenOf(node)) yield* pathsIn(child);
}

/** Returns the path of an expression like `a.b['c']`, or null. */
function pathOf(node: ASTNode): string[] | null {
  if (node.op === 'id') return [node.args];
  if (node.op !== '.' && node.op !== '[]') return null;
  const [parent, key] = [pathOf(node.args[0]), node.args[1]];
  const name = typeof key === 'string' ? key : key.op === 'value' ? key.args : null;
  return parent === null || typeof name !== 'string' ? null : [...parent, name];
}

function isVariable(node: ASTNode, name: string): boolean {
  return node.op === 'id' && node.args === name;
}
