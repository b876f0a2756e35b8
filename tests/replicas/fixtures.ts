import { after, before, type TestContext } from 'node:test';
import { Cleanup, PostgresServer } from '@sallyport/testkit';
import type { AppDeps } from '../../apps/controller/src/app.ts';
import type { PostgresPlace } from '../../apps/controller/src/db/postgres/place.ts';
import { openTestApp } from '../../apps/controller/src/testing/harness.ts';
import { clonePostgres } from '../../apps/controller/src/testing/postgres.ts';
import { openSharedStores } from '../../apps/controller/src/testing/shared-stores.ts';

/** A PostgreSQL server that runs for the tests of one file, and what is cleaned up after them. */
export function serverOfFile(): { readonly cleanup: Cleanup; readonly server: PostgresServer } {
  const cleanup = new Cleanup();
  let server: PostgresServer | null = null;
  before(async () => {
    server = await PostgresServer.start(cleanup);
  });
  after(() => cleanup.run());
  return {
    cleanup,
    get server() {
      if (server === null) throw new Error('the server runs as soon as the first test does');
      return server;
    },
  };
}

/** Makes a migrated database that nobody has open. */
export async function freshDatabase(server: PostgresServer): Promise<PostgresPlace> {
  const { db, place } = await clonePostgres(server.url());
  await db.destroy();
  return place;
}

/** Two controllers on one new database. They hear nothing of each other but what the database says. */
export async function twoControllers(t: TestContext, server: PostgresServer, deps: Partial<AppDeps> = {}) {
  const { clock, stores, place } = await openSharedStores(t, server.url());
  const a = await openTestApp(t, { ...deps, store: stores[0] });
  const b = await openTestApp(t, { ...deps, store: stores[1] });
  return { clock, stores, place, a, b };
}
