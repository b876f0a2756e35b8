import {
  type BinaryOperationNode,
  type Dialect,
  type DialectAdapter,
  OperatorNode,
  PostgresAdapter,
  PostgresDialect,
  PostgresQueryCompiler,
  PrimitiveValueListNode,
  type RawNode,
} from 'kysely';
import { isPerDialect } from '../per-dialect.ts';
import type { PostgresPool } from './pool.ts';

/** Kysely's dialect for PostgreSQL, with the texts of `perDialect`. */
export function postgresDialect(pool: PostgresPool): Dialect {
  const dialect = new PostgresDialect({ pool });
  return {
    createAdapter: (): DialectAdapter => new PostgresAdapter(),
    createDriver: () => dialect.createDriver(),
    createIntrospector: (db) => dialect.createIntrospector(db),
    createQueryCompiler: () => new Compiler(),
  };
}

class Compiler extends PostgresQueryCompiler {
  protected override visitRaw(node: RawNode): void {
    if (isPerDialect(node)) this.visitNode(node.postgres);
    else super.visitRaw(node);
  }

  /** Nothing is in an empty list, and everything is not in it. PostgreSQL has no text for such a list. */
  protected override visitBinaryOperation(node: BinaryOperationNode): void {
    const { operator, rightOperand: list } = node;
    const isEmpty = PrimitiveValueListNode.is(list) && list.values.length === 0;
    if (isEmpty && OperatorNode.is(operator)) this.append(operator.operator === 'in' ? 'false' : 'true');
    else super.visitBinaryOperation(node);
  }
}
