import { Kysely, type PostgresPoolClient } from 'kysely';
import { postgresDialect } from '../db/postgres/dialect.ts';
import type { PostgresPlace } from '../db/postgres/place.ts';
import { PostgresPool } from '../db/postgres/pool.ts';
import type { Database } from '../db/schema.ts';

/** What a store is made of. */
export type CountedDatabase = Kysely<Database>;

/**
 * Opens a migrated PostgreSQL database beside others that use it. `check` throws when this user cannot reach it any more,
 * also in the middle of a transaction. `used` counts the uses that are under way.
 */
export const countedDatabase = (place: PostgresPlace, check: () => void, used: (by: 1 | -1) => void): CountedDatabase =>
  new Kysely({ dialect: postgresDialect(new CountedPool(place, check, used)) });

/** Connections that count as long as they are in use, and end in the middle of a transaction when `check` throws. */
class CountedPool extends PostgresPool {
  readonly #check: () => void;
  readonly #used: (by: 1 | -1) => void;

  constructor(place: PostgresPlace, check: () => void, used: (by: 1 | -1) => void) {
    super(place, () => true);
    this.#check = check;
    this.#used = used;
  }

  override async connect(): Promise<PostgresPoolClient> {
    this.#check();
    this.#used(1);
    try {
      const client = await super.connect();
      let broken = false;
      const check = () => {
        broken = true;
        this.#check();
        broken = false;
      };
      const query = async (text: string, values: readonly unknown[]) => {
        check();
        const answer = await client.query(text, values);
        check();
        return answer;
      };
      const release = (destroy?: boolean) => {
        client.release(broken || destroy);
        this.#used(-1);
      };
      return { query: query as unknown as PostgresPoolClient['query'], release };
    } catch (error) {
      this.#used(-1);
      throw error;
    }
  }
}
