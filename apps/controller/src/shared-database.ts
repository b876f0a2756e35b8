import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { prepareDataDirectory } from './data-directory.ts';
import { openPostgres, type PostgresDatabase, type PostgresEvents, type PostgresOpening } from './db/postgres/open.ts';
import { type PostgresPlaces, shownPlaces } from './db/postgres/place.ts';
import { OperatorError } from './errors.ts';
import { type MasterKeys, readMasterKeys } from './secrets/master-key.ts';

export { newIdentity, SharedReplicas } from './replicas/shared.ts';

/** A PostgreSQL database with the master key that belongs to it. */
export interface SharedDatabase {
  readonly database: PostgresDatabase;
  readonly masterKeys: MasterKeys;
}

/**
 * Opens the PostgreSQL database, and the data directory for what stays on this machine. An empty database beside an
 * embedded one is refused: the controller would look as if everything were gone. Throws OperatorError.
 */
export async function openSharedDatabase(
  places: PostgresPlaces,
  { dataDir, masterKeyFile }: { readonly dataDir: string; readonly masterKeyFile: string },
  events: PostgresEvents,
  opening: Pick<PostgresOpening, 'sharing' | 'memory'>,
): Promise<SharedDatabase> {
  prepareDataDirectory(dataDir);
  const masterKeys = readMasterKeys(masterKeyFile);
  const database = await openPostgres(places, events, opening);
  if (database.isFresh && existsSync(join(dataDir, 'sallyport.db'))) {
    await database.destroy();
    throw new OperatorError(
      `the database ${shownPlaces(places)} is empty, and there is an embedded database in ${dataDir}: copy it with "sally operator copy-database --to", or move sallyport.db away to begin with an empty installation`,
    );
  }
  return { database, masterKeys };
}
