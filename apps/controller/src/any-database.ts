import type { FastifyBaseLogger } from 'fastify';
import type { Config } from './config.ts';
import { openDataDirectory } from './data-directory.ts';
import type { EmbeddedDatabase } from './db/open.ts';
import type { Replication } from './db/postgres/known-primary.ts';
import type { PostgresDatabase, PostgresEvents } from './db/postgres/open.ts';
import type { PostgresPlaces } from './db/postgres/place.ts';
import { waitingText } from './db/postgres/primary.ts';
import type { Notice, Store } from './db/store.ts';
import { OperatorError } from './errors.ts';
import { primaryMemory } from './primary-memory.ts';
import type { SharedReplicas } from './replicas/shared.ts';
import type { MasterKeys } from './secrets/master-key.ts';

/** The database of a controller, whichever kind it has. */
export interface AnyDatabase {
  readonly database: EmbeddedDatabase | PostgresDatabase;
  /** The one in use first. Two while it is being replaced. */
  readonly masterKeys: MasterKeys;
  /** To be called once the database holds something that was sealed with the master key. */
  settle(): void;
  /** Time of the database, epoch milliseconds. */
  readonly now: () => number;
  /**
   * To be called with the store that is made of it. Returns this process among those that share the database; null: an
   * embedded database has one process.
   */
  attach(store: Store): Promise<SharedReplicas | null>;
  /** To be called when the controller serves. Then the next controller may start. */
  started(): Promise<void>;
}

/** Opens the database that the settings name. `ended`: the controller cannot go on with it. Throws OperatorError. */
export async function openAnyDatabase(
  config: Config,
  version: string,
  log: FastifyBaseLogger,
  ended: (error: unknown) => void,
): Promise<AnyDatabase> {
  if (config.database !== null) return openShared(config.database, config, version, log, ended);
  const { upgrade, ...opened } = await openDataDirectory(config);
  if (upgrade !== null)
    log.info(upgrade, 'the database was upgraded; the backup before it lets the older version return');
  return { ...opened, now: Date.now, attach: async () => null, started: async () => undefined };
}

async function openShared(
  places: PostgresPlaces,
  { dataDir, masterKey: { file }, newEpoch }: Config,
  version: string,
  log: FastifyBaseLogger,
  ended: (error: unknown) => void,
): Promise<AnyDatabase> {
  let store: Store | null = null;
  let replicas: SharedReplicas | null = null;
  const { openSharedDatabase, newIdentity, SharedReplicas: Shared } = await import('./shared-database.ts');
  const identity = newIdentity(version);
  const events: PostgresEvents = {
    lost: (err) => log.error({ err }, 'the database does not answer: requests are refused until it does'),
    check: (heads) => {
      for (const head of heads) if (store !== null) refuseOlder(store, head);
    },
    back: (heads) => {
      log.info({}, 'the database answers again');
      // What was committed last may not have been followed while it was gone.
      for (const head of heads) store?.noticed(head);
      replicas?.back();
    },
    refused: (err) => log.error({ err }, 'no database server can be used'),
    moved: ({ host, port }, { timeline }) => log.warn({ host, port, timeline }, movedText),
    replication: (replication) => tellReplication(replication, log),
    ended,
    heard: (payload) => replicas?.heard(payload),
  };
  const files = { dataDir, masterKeyFile: file };
  const { database, masterKeys } = await openSharedDatabase(places, files, events, {
    sharing: identity.sharing,
    memory: primaryMemory(dataDir, newEpoch, (err) => log.warn({ err }, 'the database server could not be noted')),
  });
  tellServer(database, log);
  return {
    database,
    masterKeys,
    settle: () => undefined,
    now: database.now,
    attach: async (made) => {
      store = made;
      replicas = new Shared(identity, database, made, log);
      await replicas.start();
      return replicas;
    },
    started: () => database.started(),
  };
}

/** Says what a failover would lose, and what the start has found. */
function tellServer(database: PostgresDatabase, log: FastifyBaseLogger): void {
  const { settled } = database;
  const { address, timeline, replication } = database.server();
  if (settled.copied) log.warn({ address }, copiedText);
  if (settled.promoted && settled.loss === null) log.warn({ address, timeline }, movedText);
  tellReplication(replication, log);
}

function tellReplication({ kind, standbys }: Replication, log: FastifyBaseLogger): void {
  if (kind === 'asynchronous') log.warn({ standbys }, asynchronousText);
  if (kind === 'synchronous' && standbys === 0) log.warn({}, waitingText);
}

const movedText = 'the database has another primary server; no acknowledged change was lost';
const copiedText =
  'the database is in the files of another server than before, as after a dump or pg_upgrade. If it is older than what agents know, start with SALLYPORT_NEW_EPOCH=true';
const asynchronousText =
  'standbys of the database server are asynchronous: a failover may lose the last acknowledged changes, and then begins a new epoch. Set synchronous_standby_names to prevent that';

function refuseOlder(store: Store, { tenant, revision }: Notice): void {
  const known = store.log.head(tenant);
  if (revision >= known) return;
  throw new OperatorError(
    `the database has gone back: tenant ${tenant} is at revision ${revision}, and was at ${known}. If an older state was brought back on purpose, start with SALLYPORT_NEW_EPOCH=true`,
  );
}
