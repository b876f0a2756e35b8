import type { Duplex } from 'node:stream';
import pg from 'pg';
import { bindMessage, type SentValue } from './bind-message.ts';

/** A statement, and what becomes of it. */
export interface Statement {
  readonly text: string;
  /** Under which the server keeps it; null: it is not worth keeping. */
  readonly name: string | null;
  readonly values: readonly SentValue[];
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/** What the server answers to a statement. */
export interface Answer {
  /** Its first word. */
  readonly command: string;
  readonly rowCount: number;
  readonly rows: readonly object[];
}

/** A column of an answer, with the function that reads its values. */
interface Column {
  readonly name: string;
  readonly read: (text: string) => unknown;
}

/** Returns the function that reads values of a type. */
export type ReaderOf = (type: number) => Column['read'];

/** What a connection knows of the statements that the server keeps for it: the columns of their answers, by name. */
export type KeptStatements = Map<string, readonly Column[]>;

/**
 * Statements that are sent together and answered together, so that there is one message to the server and one back,
 * however many they are. When one fails, the server runs none of those behind it, and they fail for the same reason.
 */
export class Batch extends (pg.Query as unknown as new (text: string) => DriverQuery) {
  readonly #kept: KeptStatements;
  readonly #readerOf: ReaderOf;
  readonly #statements: Statement[] = [];
  readonly #answers: Answer[] = [];
  /** Of the answer that comes at the moment. */
  #columns: readonly Column[] = [];
  #rows: object[] = [];

  constructor(kept: KeptStatements, readerOf: ReaderOf) {
    super('');
    this.#kept = kept;
    this.#readerOf = readerOf;
  }

  add(statement: Statement): void {
    this.#statements.push(statement);
  }

  /** Called by the driver, as all that follow. */
  submit(connection: Wire): null {
    const parsed = new Set<string>();
    connection.stream.cork();
    for (const { text, name, values } of this.#statements) {
      const isKept = name !== null && this.#kept.has(name);
      if (!isKept && (name === null || !parsed.has(name))) {
        // The server may have it already, when the statement failed at its first use.
        if (name !== null) connection.close({ type: 'S', name });
        connection.parse({ name, text });
        if (name !== null) parsed.add(name);
      }
      connection._send(bindMessage(name ?? '', values));
      if (!isKept) connection.describe({ type: 'P' });
      connection.execute();
    }
    connection.sync();
    connection.stream.uncork();
    this.#expect();
    return null;
  }

  handleRowDescription({ fields }: { readonly fields: readonly pg.FieldDef[] }): void {
    this.#columns = fields.map(({ name, dataTypeID }) => ({ name, read: this.#readerOf(dataTypeID) }));
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    const row: Record<string, unknown> = {};
    for (const [at, { name, read }] of this.#columns.entries()) {
      const text = fields[at] ?? null;
      row[name] = text === null ? null : read(text);
    }
    this.#rows.push(row);
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    const [command = ''] = text.split(' ', 1);
    this.#answers.push({ command, rowCount: Number(text.slice(text.lastIndexOf(' '))) || 0, rows: this.#rows });
    const name = this.#current?.name ?? null;
    if (name !== null) this.#kept.set(name, this.#columns);
    this.#expect();
  }

  handleReadyForQuery(): void {
    this.callback?.(null);
    this.#settle();
  }

  handleError(error: unknown): void {
    // What the server keeps may no longer fit the tables.
    const failed = this.#statements[this.#answers.length]?.name ?? null;
    if (failed !== null) this.#kept.delete(failed);
    this.callback?.(error);
    this.#settle(error);
  }

  get #current(): Statement | undefined {
    return this.#statements[this.#answers.length - 1];
  }

  /** Prepares for the answer to the next statement. */
  #expect(): void {
    const name = this.#statements[this.#answers.length]?.name ?? null;
    this.#columns = (name === null ? undefined : this.#kept.get(name)) ?? [];
    this.#rows = [];
  }

  /** Tells every statement what has become of it. `error`: of the first one without an answer, and those behind it. */
  #settle(error?: unknown): void {
    const answers = this.#answers;
    for (const [at, { resolve, reject }] of this.#statements.splice(0).entries()) {
      const answer = answers[at];
      if (answer === undefined) reject(error ?? new Error('the server has not answered'));
      else resolve(answer);
    }
  }
}

/** Returns a value as the server reads it. Throws when it is of no kind that columns have. */
export function sentValue(value: unknown): SentValue {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (typeof value === 'object') throw new TypeError('an object is no value of a statement');
  return String(value);
}

/** What the types of the driver leave out. */
interface DriverQuery {
  /** The driver sets it when it limits the time. */
  callback?: (error: unknown) => void;
}

interface Wire {
  readonly stream: Duplex;
  parse(statement: { readonly name: string | null; readonly text: string }): void;
  /** Sends a message, unless the connection has ended. */
  _send(message: Buffer): void;
  describe(portal: { readonly type: 'P' }): void;
  execute(): void;
  close(statement: { readonly type: 'S'; readonly name: string }): void;
  sync(): void;
}
