import { Kysely, type PostgresPoolClient } from 'kysely';
import { postgresDialect } from '../db/postgres/dialect.ts';
import { DatabaseUnavailable } from '../db/postgres/failures.ts';
import type { PostgresPlace } from '../db/postgres/place.ts';
import { PostgresPool } from '../db/postgres/pool.ts';
import type { Database } from '../db/schema.ts';

/** What a store is made of. */
export type CountedDatabase = Kysely<Database>;

/**
 * When a connection ends whose commit gets no answer: before the server has the commit, after it is done, or in between,
 * when it may come or not.
 */
export type LostCommit = 'before' | 'after' | 'between';

/** How one user has a database beside others. */
export interface DatabaseUse {
  /** Throws when this user cannot reach it any more, also in the middle of a transaction. */
  readonly check: () => void;
  /** Counts the uses that are under way. */
  readonly used: (by: 1 | -1) => void;
  /** Asked at each commit: whether its answer gets lost, and how. Left out: never. */
  readonly loses?: () => LostCommit | null;
}

/** Opens a migrated PostgreSQL database beside others that use it. */
export const countedDatabase = (place: PostgresPlace, use: DatabaseUse): CountedDatabase =>
  new Kysely({ dialect: postgresDialect(new CountedPool(place, use)) });

/** Connections that count as long as they are in use, and end in the middle of a transaction when the test wants it. */
class CountedPool extends PostgresPool {
  readonly #use: DatabaseUse;

  constructor(place: PostgresPlace, use: DatabaseUse) {
    super(place, () => true);
    this.#use = use;
  }

  override async connect(): Promise<PostgresPoolClient> {
    const { check, used } = this.#use;
    check();
    used(1);
    try {
      const connection = new Connection(await super.connect(), this.#use);
      const release = (destroy?: boolean) => {
        connection.release(destroy);
        used(-1);
      };
      const query = connection.query as unknown as PostgresPoolClient['query'];
      return { query, release };
    } catch (error) {
      used(-1);
      throw error;
    }
  }
}

class Connection {
  readonly #client: PostgresPoolClient;
  readonly #use: DatabaseUse;
  /** Why it is of no use any more. */
  #broken: unknown = null;

  constructor(client: PostgresPoolClient, use: DatabaseUse) {
    this.#client = client;
    this.#use = use;
  }

  readonly query = async (text: string, values: readonly unknown[]): Promise<unknown> => {
    this.#check();
    const lost = text === 'commit' ? (this.#use.loses?.() ?? null) : null;
    const answer = lost === 'before' ? undefined : this.#client.query(text, values);
    if (lost === 'between') answer?.catch(() => undefined);
    else await answer;
    if (lost !== null) this.#broken = new DatabaseUnavailable();
    this.#check();
    return answer;
  };

  release(destroy: boolean | undefined): void {
    this.#client.release(this.#broken !== null || destroy);
  }

  #check(): void {
    if (this.#broken !== null) throw this.#broken;
    try {
      this.#use.check();
    } catch (error) {
      this.#broken = error;
      throw error;
    }
  }
}
