import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { Database } from './schema.ts';

/**
 * Kysely dialect over one `node:sqlite` database. Kysely queues the users of the connection, so no query sees half a
 * transaction. Transactions start IMMEDIATE, so a lock that is not available fails at once and not in the middle.
 */
export function sqliteDialect(database: DatabaseSync): Dialect {
  const connection = new SqliteConnection(database);
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => sqliteDriver(database, connection),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

/** Whether a row can be locked. In SQLite a transaction that has begun IMMEDIATE is alone with the whole database. */
export const hasRowLocks = (db: Kysely<Database>): boolean => !(db.getExecutor().adapter instanceof SqliteAdapter);

/** Number of statements kept prepared. Lists of varying length make endless SQL texts, so there is a bound. */
const cachedStatements = 500;

function sqliteDriver(database: DatabaseSync, connection: SqliteConnection): Driver {
  const run = (sql: string) => connection.executeQuery(CompiledQuery.raw(sql)).then(() => undefined);
  return {
    init: async () => undefined,
    acquireConnection: async () => connection,
    releaseConnection: async () => undefined,
    beginTransaction: () => run('BEGIN IMMEDIATE'),
    commitTransaction: () => run('COMMIT'),
    // SQLite ends some transactions by itself, for example when the disk is full. Then a rollback would fail and hide
    // the cause.
    rollbackTransaction: async () => {
      if (database.isTransaction) await run('ROLLBACK');
    },
    savepoint: (_, name) => run(`SAVEPOINT "${name}"`),
    rollbackToSavepoint: (_, name) => run(`ROLLBACK TO "${name}"`),
    releaseSavepoint: (_, name) => run(`RELEASE "${name}"`),
    destroy: async () => {
      connection.forget();
      database.close();
    },
  };
}

interface Prepared {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
}

class SqliteConnection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, Prepared>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { statement, returnsRows } = this.#prepare(query.sql);
    const parameters = query.parameters as SQLInputValue[];
    if (returnsRows) return { rows: statement.all(...parameters) as R[] };
    const { changes } = statement.run(...parameters);
    return { rows: [], numAffectedRows: BigInt(changes) };
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    const { statement } = this.#prepare(query.sql);
    for (const row of statement.iterate(...(query.parameters as SQLInputValue[]))) yield { rows: [row as R] };
  }

  forget(): void {
    this.#prepared.clear();
  }

  #prepare(sql: string): Prepared {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    const prepared = { statement, returnsRows: statement.columns().length > 0 };
    const oldest = this.#prepared.size >= cachedStatements ? this.#prepared.keys().next().value : undefined;
    if (oldest !== undefined) this.#prepared.delete(oldest);
    this.#prepared.set(sql, prepared);
    return prepared;
  }
}
