import {
  CompiledQuery,
  type ConnectionProvider,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  Transaction,
} from 'kysely';
import { hasRowLocks } from './dialect.ts';
import { LateStatements } from './late-statements.ts';
import type { Database } from './schema.ts';

/**
 * A transaction that several writes share. What they insert, and what they learned about their tenant, waits here until a
 * statement needs it, so that many small writes send few statements. Each write can be undone alone.
 */
export class GroupTransaction {
  /** The transaction. Each of its statements finds everything that waited in front of it. */
  readonly db: Transaction<Database>;
  readonly #connection: DatabaseConnection;
  /** Whether this write can be undone alone. */
  #savepoints = false;
  /** Of the writes before this one. */
  readonly #earlier = new LateStatements();
  /** Of this write. */
  readonly #own = new LateStatements();
  #known = new Map<string, unknown>();
  #knownBefore = this.#known;
  #inSavepoint = false;
  #broken = false;

  private constructor(transaction: Transaction<Database>, connection: DatabaseConnection) {
    this.#connection = connection;
    const executor = transaction.getExecutor().withConnectionProvider(providerOf(this.#asConnection()));
    this.db = new Transaction({ config: { dialect: nested }, dialect: nested, driver: noDriver, executor });
  }

  /** Wraps a transaction. */
  static async of(transaction: Transaction<Database>): Promise<GroupTransaction> {
    const connection = await transaction.getExecutor().provideConnection(async (own) => own);
    return new GroupTransaction(transaction, connection);
  }

  /** Whether the write can be undone alone: there are savepoints, and no statement outside of one has failed. */
  get undoable(): boolean {
    return this.#savepoints && !this.#broken;
  }

  /** Inserts a row before the next statement. `name` stands for the table and the columns. */
  insert(name: string, table: keyof Database, row: Readonly<Record<string, unknown>>): void {
    this.#own.insert(name, table, row);
  }

  /** Returns what was read or decided in this transaction. Statements that write make it forget everything. */
  known<T>(name: string): T | undefined {
    return this.#known.get(name) as T | undefined;
  }

  /** Keeps a value for the rest of the transaction. `stored`: a statement that stores it; it is run before the next one. */
  know(name: string, value: unknown, stored?: CompiledQuery): void {
    if (this.#known === this.#knownBefore) this.#known = new Map(this.#known);
    this.#known.set(name, value);
    if (stored !== undefined) this.#own.write(name, stored);
  }

  /**
   * Begins the next write. `savepoints`: so that it can be undone alone; the first write needs none while no other one is
   * there. `carefully`: so that whatever fails of it, even late, fails with it alone.
   */
  async begin(savepoints: boolean, carefully: boolean): Promise<void> {
    this.#earlier.take(this.#own);
    this.#knownBefore = this.#known;
    this.#savepoints = savepoints;
    if (carefully) await this.#answers([...this.#sendEarlier(), this.#savepoint()]);
  }

  /** Ends the write. `carefully`: once the database has taken all of it. */
  async end(carefully: boolean): Promise<void> {
    if (carefully) await this.#answers(this.#send(false));
    if (this.#inSavepoint) await this.#leaveSavepoint('RELEASE job');
  }

  /** Undoes the write. Rejects when the database can undo only the whole transaction. */
  async undo(): Promise<void> {
    this.#own.clear();
    this.#known = this.#knownBefore;
    if (!this.#inSavepoint) return;
    await this.#raw('ROLLBACK TO job');
    await this.#leaveSavepoint('RELEASE job');
  }

  /**
   * Sends what still waits. PostgreSQL undoes the transaction when one of the statements
   * fails, and its commit says so, so that they need no answer before the commit is sent.
   */
  async finish(): Promise<void> {
    // The write whose statement failed may have gone on, and the database may not have ended the transaction.
    if (this.#broken && this.#savepoints) throw new Error('a statement of an earlier write failed');
    this.#earlier.take(this.#own);
    const answers = this.#answers(this.#sendEarlier());
    if (hasRowLocks(this.db)) answers.catch(() => undefined);
    else await answers;
  }

  async #execute(query: CompiledQuery): Promise<QueryResult<unknown>> {
    const writes = query.query.kind !== 'SelectQueryNode';
    if (writes && this.#known.size > 0) this.#known = new Map();
    const before = this.#send(writes);
    const result = this.#connection.executeQuery(query);
    if (before.length === 0 && this.#inSavepoint) return result;
    // All of them are on their way before the first answer comes.
    await this.#answers([...before, this.#inSavepoint ? result : this.#breaking(result)]);
    return result;
  }

  /** Sends what waits, with a savepoint in front of the first effect of this write. */
  #send(writes: boolean): Promise<unknown>[] {
    const sent = this.#sendEarlier();
    const hasEffect = writes || !this.#own.isEmpty;
    if (hasEffect && this.#savepoints && !this.#inSavepoint) sent.push(this.#savepoint());
    sent.push(...this.#own.send(this.db, this.#connection));
    return sent;
  }

  #sendEarlier(): Promise<unknown>[] {
    return this.#earlier.send(this.db, this.#connection).map((sent) => this.#breaking(sent));
  }

  #savepoint(): Promise<unknown> {
    this.#inSavepoint = true;
    return this.#breaking(this.#raw('SAVEPOINT job'));
  }

  #leaveSavepoint(how: string): Promise<unknown> {
    this.#inSavepoint = false;
    return this.#raw(how);
  }

  #raw(text: string): Promise<unknown> {
    return this.#connection.executeQuery(CompiledQuery.raw(text));
  }

  /** Marks the transaction as broken when the statement fails. */
  #breaking(sent: Promise<unknown>): Promise<unknown> {
    return sent.catch((error: unknown) => {
      this.#broken = true;
      throw error;
    });
  }

  async #answers(sent: readonly Promise<unknown>[]): Promise<void> {
    if (sent.length > 0) await Promise.all(sent);
  }

  #asConnection(): DatabaseConnection {
    return {
      executeQuery: (query) => this.#execute(query) as Promise<QueryResult<never>>,
      streamQuery: () => {
        throw new Error('a write reads no stream');
      },
    };
  }
}

const providerOf = (connection: DatabaseConnection): ConnectionProvider => ({
  provideConnection: (consumer) => consumer(connection),
});

const none = (): never => {
  throw new Error('a write opens no transaction of its own');
};
const noDriver: Driver = {
  init: none,
  acquireConnection: none,
  beginTransaction: none,
  commitTransaction: none,
  rollbackTransaction: none,
  releaseConnection: none,
  destroy: none,
};
const nested: Dialect = {
  createAdapter: none,
  createDriver: none,
  createIntrospector: none,
  createQueryCompiler: none,
};
