import pino from 'pino';
import { openPostgres } from '../db/postgres/open.ts';
import type { PostgresPlace } from '../db/postgres/place.ts';
import { type Migrations, postgresMigrations } from '../db/schema-versions.ts';
import { createStore, type Store } from '../db/store.ts';
import { newIdentity, SharedReplicas } from '../replicas/shared.ts';

/** A replica of a test: a store on a shared PostgreSQL database, and its place among the others. No HTTP, no agents. */
export interface TestReplica {
  readonly store: Store;
  readonly replicas: SharedReplicas;
  /** What made the replica end, or lost its database. */
  readonly troubles: unknown[];
  /** What it has logged, warnings and worse. */
  readonly warnings: string[];
  stop(): Promise<void>;
  /** Ends every connection at once, and says nothing to the others. */
  kill(): Promise<void>;
}

/** Joins a migrated database as one more replica, in this process. */
export async function joinReplica(
  place: PostgresPlace,
  migrations: Migrations = postgresMigrations,
): Promise<TestReplica> {
  const identity = newIdentity(migrations.version);
  const troubles: unknown[] = [];
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => void warnings.push(line) });
  let replicas: SharedReplicas | null = null;
  let store: Store | null = null;
  const trouble = (error: unknown) => void troubles.push(error);
  const events = {
    lost: trouble,
    check: () => undefined,
    back: (heads: readonly { tenant: string; revision: number }[]) => {
      for (const head of heads) store?.noticed(head);
      replicas?.back();
    },
    ended: trouble,
    heard: (payload: string) => replicas?.heard(payload),
  };
  const database = await openPostgres([place], events, { migrations, sharing: identity.sharing });
  const made = createStore(database, database.now);
  store = made;
  const joined = new SharedReplicas(identity, database, made, log);
  replicas = joined;
  await joined.start();
  await database.started();
  return {
    store: made,
    replicas: joined,
    troubles,
    warnings,
    stop: async () => {
      await joined.stop();
      await made.close();
    },
    kill: async () => {
      joined.abandon();
      await database.destroy();
    },
  };
}
