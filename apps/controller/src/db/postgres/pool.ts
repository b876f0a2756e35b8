import type { PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { DatabaseUnavailable, isLost } from './failures.ts';
import type { PostgresPlace } from './place.ts';

/** Connections of one controller, apart from the one that holds its lock. */
const connections = 20;
/** How long a new connection may take. */
const connectMs = 5_000;
/** A statement that takes longer is given up, together with its connection: the server may be gone without a word. */
const statementMs = 30_000;

/** Returns the settings of one connection. Those of the environment (PGHOST and others) do not count. */
export const clientConfig = (place: PostgresPlace, statementTimeoutMs = statementMs): pg.ClientConfig => ({
  host: place.host,
  port: place.port,
  database: place.database,
  user: place.user,
  password: place.password ?? '',
  ssl: place.tls ?? false,
  application_name: 'sallyport',
  connectionTimeoutMillis: connectMs,
  query_timeout: statementTimeoutMs,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  types: { getTypeParser },
});

const [BOOL, INT8, INT2, INT4, FLOAT8, NUMERIC] = [16, 20, 21, 23, 701, 1700];
const numbers = new Set([INT8, INT2, INT4, FLOAT8, NUMERIC]);

/** Values as SQLite gives them: numbers, 0 and 1, texts. Integers are times and counts, far below 2^53. */
const getTypeParser = ((oid: number) => {
  if (numbers.has(oid)) return Number;
  return oid === BOOL ? (text: string) => (text === 't' ? 1 : 0) : (text: string) => text;
}) as pg.CustomTypesConfig['getTypeParser'];

/**
 * Gives connections while `usable` returns true. A connection that failed is closed and not given again. Statements that
 * come again and again are prepared once for each connection.
 */
export class PostgresPool {
  readonly options: object;
  readonly #pool: pg.Pool;
  readonly #usable: () => boolean;
  readonly #statements = new Statements();

  constructor(place: PostgresPlace, usable: () => boolean) {
    const options: pg.PoolConfig = { ...clientConfig(place), max: connections, idleTimeoutMillis: 60_000 };
    this.options = options;
    this.#pool = new pg.Pool(options);
    this.#usable = usable;
    // An idle connection ended: the next use makes a new connection.
    this.#pool.on('error', () => undefined);
  }

  async connect(): Promise<PostgresPoolClient> {
    if (!this.#usable()) throw new DatabaseUnavailable();
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw lost(error);
    });
    let failed = false;
    // The connection may end between two statements, when no statement is there to fail.
    const ended = (): void => {
      failed = true;
    };
    client.on('error', ended);
    return {
      query: (async (text: string, values: readonly unknown[]) => {
        const name = this.#statements.nameOf(text, values);
        try {
          return await client.query({ text, values: [...values], ...(name === null ? {} : { name }) });
        } catch (error) {
          failed ||= isLost(error);
          throw lost(error);
        }
      }) as unknown as PostgresPoolClient['query'],
      release: (destroy) => {
        client.off('error', ended);
        client.release(failed || destroy);
      },
    };
  }

  end(): Promise<void> {
    return this.#pool.end();
  }
}

const lost = (error: unknown): unknown =>
  isLost(error) && !(error instanceof DatabaseUnavailable) ? new DatabaseUnavailable(undefined, error) : error;

/** Texts counted at once, uses after which one is prepared, and most that are. */
const [countedTexts, usesBefore, preparedTexts] = [2_000, 3, 300];

/** Names for the statements that are worth preparing. Lists of varying length make endless texts. */
class Statements {
  readonly #names = new Map<string, string>();
  #uses = new Map<string, number>();

  nameOf(text: string, values: readonly unknown[]): string | null {
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    if (values.length === 0 || this.#names.size >= preparedTexts) return null;
    const uses = (this.#uses.get(text) ?? 0) + 1;
    if (this.#uses.size >= countedTexts) this.#uses = new Map();
    this.#uses.set(text, uses);
    if (uses < usesBefore) return null;
    this.#uses.delete(text);
    const name = `s${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }
}
