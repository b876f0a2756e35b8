import {
  type Dialect,
  type DialectAdapter,
  PostgresAdapter,
  PostgresDialect,
  PostgresQueryCompiler,
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
}
