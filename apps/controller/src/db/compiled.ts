import type { CompiledQuery, Kysely, QueryResult } from 'kysely';
import type { Database } from './schema.ts';

/**
 * Runs a query with a constant text and these parameters. `build` is called for the first use only, because building
 * and compiling take several times as long as running a small statement. Its parameters must come in the same order.
 */
export const runCompiled = <R>(
  db: Kysely<Database>,
  name: string,
  parameters: readonly unknown[],
  build: () => CompiledQuery<R>,
): Promise<QueryResult<R>> => db.executeQuery(compiledOnce(db, name, parameters, build));

/** Returns a query with a constant text and these parameters, as `runCompiled` runs it. */
export function compiledOnce<R>(
  db: Kysely<Database>,
  name: string,
  parameters: readonly unknown[],
  build: () => CompiledQuery<R>,
): CompiledQuery<R> {
  const { adapter } = db.getExecutor();
  const known = compiled.get(adapter) ?? new Map<string, CompiledQuery>();
  let query = known.get(name) as CompiledQuery<R> | undefined;
  if (query === undefined) {
    query = build();
    compiled.set(adapter, known.set(name, query));
  }
  return { ...query, parameters };
}

/** By adapter: each dialect has its own texts. */
const compiled = new WeakMap<object, Map<string, CompiledQuery>>();
