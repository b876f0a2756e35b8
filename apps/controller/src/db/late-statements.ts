import type { CompiledQuery, DatabaseConnection, Kysely } from 'kysely';
import { compiledOnce } from './compiled.ts';
import { hasRowLocks } from './dialect.ts';
import type { Database } from './schema.ts';

/** Rows of a table, with the same columns each, as parameters of an INSERT. */
interface Rows {
  readonly table: keyof Database;
  readonly columns: readonly string[];
  readonly values: unknown[][];
}

/** Statements of a transaction that are sent together, in front of the next one. None of them reads. */
export class LateStatements {
  #rows = new Map<string, Rows>();
  #writes = new Map<string, CompiledQuery>();

  get isEmpty(): boolean {
    return this.#rows.size === 0 && this.#writes.size === 0;
  }

  /** Adds a row. `name` stands for the table and the columns. */
  insert(name: string, table: keyof Database, row: Readonly<Record<string, unknown>>): void {
    const known = this.#rows.get(name);
    if (known !== undefined) known.values.push(Object.values(row));
    else this.#rows.set(name, { table, columns: Object.keys(row), values: [Object.values(row)] });
  }

  /** Adds a statement that takes the place of an earlier one with this name. */
  write(name: string, query: CompiledQuery): void {
    this.#writes.set(name, query);
  }

  /** Adds everything of others behind what is here. The others stay empty. */
  take(others: LateStatements): void {
    for (const [name, rows] of others.#rows) {
      const known = this.#rows.get(name);
      if (known === undefined) this.#rows.set(name, rows);
      else known.values.push(...rows.values);
    }
    for (const [name, query] of others.#writes) this.#writes.set(name, query);
    others.clear();
  }

  clear(): void {
    if (this.#rows.size > 0) this.#rows = new Map();
    if (this.#writes.size > 0) this.#writes = new Map();
  }

  /** Sends everything without waiting in between. Answers come in this order. */
  send(db: Kysely<Database>, connection: DatabaseConnection): Promise<unknown>[] {
    const sent: Promise<unknown>[] = [];
    const counts = hasRowLocks(db) ? rowCounts : [];
    for (const [name, rows] of this.#rows)
      for (const query of inserts(db, name, rows, counts)) sent.push(connection.executeQuery(query));
    for (const query of this.#writes.values()) sent.push(connection.executeQuery(query));
    this.clear();
    return sent;
  }
}

/**
 * Numbers of rows of one INSERT for PostgreSQL, where each statement is a message. They are few, so that each text is used
 * often and can be prepared. Prepared SQLite statements cost less for each row than long ones.
 */
const rowCounts = [16, 8, 6, 4, 3, 2, 1];

function* inserts(db: Kysely<Database>, name: string, rows: Rows, counts: readonly number[]): Generator<CompiledQuery> {
  const { values } = rows;
  for (let at = 0; at < values.length; ) {
    const count = counts.find((most) => most <= values.length - at) ?? 1;
    yield insertOf(db, count === 1 ? name : `${name} ${count}`, rows, values.slice(at, at + count));
    at += count;
  }
}

const insertOf = (
  db: Kysely<Database>,
  name: string,
  { table, columns }: Rows,
  values: readonly unknown[][],
): CompiledQuery =>
  compiledOnce(db, name, values.length === 1 ? (values[0] ?? []) : ([] as unknown[]).concat(...values), () => {
    const row = Object.fromEntries(columns.map((column) => [column, null]));
    return db
      .insertInto(table)
      .values(values.map(() => row) as never)
      .compile();
  });
