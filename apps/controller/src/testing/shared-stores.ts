import type { TestContext } from 'node:test';
import { Kysely } from 'kysely';
import { postgresDialect } from '../db/postgres/dialect.ts';
import type { PostgresPlace } from '../db/postgres/place.ts';
import { PostgresPool } from '../db/postgres/pool.ts';
import type { Database } from '../db/schema.ts';
import { createStore, type Store, type WriteCheck } from '../db/store.ts';
import { cleanUp, TestClock } from './harness.ts';
import { clonePostgres } from './postgres.ts';

/** Stores of one new PostgreSQL database, as several controllers have them. */
export interface SharedStores {
  readonly clock: TestClock;
  readonly stores: readonly [Store, Store];
  /** Where the database is. */
  readonly place: PostgresPlace;
}

/**
 * Two stores of one database, closed and removed after the test. They do not hear of each other's commits: a test says so by
 * `store.noticed` where it wants them to. `check`: makes the check of writes of one store.
 */
export async function openSharedStores(
  t: TestContext,
  url: string,
  check: () => WriteCheck = () => ({ check: async () => undefined }),
): Promise<SharedStores> {
  const clock = new TestClock();
  const { db, place, remove } = await clonePostgres(url);
  const dialect = postgresDialect(new PostgresPool(place, () => true));
  const now = () => clock.now;
  const stores = [createStore(db, now, check()), createStore(new Kysely<Database>({ dialect }), now, check())] as const;
  cleanUp(t, async () => {
    for (const store of stores) await store.close();
    await remove();
  });
  return { clock, stores, place };
}
