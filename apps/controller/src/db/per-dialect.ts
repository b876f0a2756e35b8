import { ExpressionWrapper, type OperationNode, type RawBuilder, RawNode, sql } from 'kysely';
import type { Database } from './schema.ts';

/** A part of a query that has another text in PostgreSQL. The compiler of the dialect takes the one that it speaks. */
export interface PerDialectNode extends RawNode {
  readonly postgres: OperationNode;
}

/** Whether a node has a text of its own for PostgreSQL. */
export const isPerDialect = (node: RawNode): node is PerDialectNode => 'postgres' in node;

/** Returns an expression that is the first one in SQLite and the second one in PostgreSQL. */
export function perDialect<T>(sqlite: RawBuilder<T>, postgres: RawBuilder<T>): RawBuilder<T> {
  const node: PerDialectNode = {
    ...RawNode.createWithChild(sqlite.toOperationNode()),
    postgres: postgres.toOperationNode(),
  };
  return sql<T>`${new ExpressionWrapper<Database, never, T>(node)}`;
}
