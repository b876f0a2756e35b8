import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { backUpBeforeUpgrade } from './backup/before-upgrade.ts';
import type { Config } from './config.ts';
import { type EmbeddedDatabase, openUnmigrated } from './db/open.ts';
import { type Migrations, ownMigrations } from './db/schema-versions.ts';
import { OperatorError } from './errors.ts';
import { type MasterKeys, readMasterKeys, syncDirectory, writeMasterKey } from './secrets/master-key.ts';
import { attempt } from './system-error.ts';

/** Stands in a data directory while a restore replaces its files. */
export const restoreMarker = 'restore.pending';

/** The data directory of a controller, opened. */
export interface DataDirectory {
  readonly database: EmbeddedDatabase;
  /** The one in use first. Two while it is being replaced. */
  readonly masterKeys: MasterKeys;
  /** Backup that was made because this program has migrated the database; null when it had nothing to migrate. */
  readonly upgrade: Upgrade | null;
  /** To be called once the database holds something that was sealed with the master key. */
  settle(): void;
}

/** A migration of the database to the schema of this program. */
export interface Upgrade {
  /** Version that wrote the schema before, or `older`. */
  readonly from: string;
  readonly to: string;
  /** Path of the backup that was made before. */
  readonly backup: string;
  /** Command that brings it back. */
  readonly undo: string;
}

/**
 * Opens the database and the master key that belongs to it, or makes both where there is neither. A database and a key
 * without the other are refused: a new one would hide that something was lost. Makes a backup before it migrates the
 * database of an older program. Throws OperatorError.
 */
export async function openDataDirectory(
  config: Pick<Config, 'dataDir' | 'masterKey'>,
  migrations: Migrations = ownMigrations,
): Promise<DataDirectory> {
  const { dataDir, masterKey } = config;
  prepareDataDirectory(dataDir);
  const file = join(dataDir, 'sallyport.db');
  if (!existsSync(file)) refuseLoneKey(masterKey, dataDir);
  const database = openUnmigrated(file, migrations);
  try {
    const fresh = !database.hasIdentity();
    if (fresh) refuseLoneKey(masterKey, dataDir);
    const key = keyFor(masterKey, dataDir, fresh);
    const from = database.olderWriter(migrations);
    const to = migrations.version;
    const upgrade = fresh || from === null ? null : await backUp(database, config, key, { from, to });
    database.migrate(migrations);
    return { database, upgrade, ...key };
  } catch (error) {
    database.closeNow();
    throw error;
  }
}

async function backUp(
  database: EmbeddedDatabase,
  { dataDir, masterKey }: Pick<Config, 'dataDir' | 'masterKey'>,
  { file: masterKeyFile }: { readonly file: string },
  versions: { readonly from: string; readonly to: string },
): Promise<Upgrade> {
  const backup = await backUpBeforeUpgrade({ database, dataDir, masterKeyFile, ...versions, now: Date.now });
  const keyElsewhere = masterKey.mayCreate ? '' : ` --master-key-file ${masterKey.file}`;
  const undo = `sally operator restore ${backup} --replace --data-dir ${dataDir} --passphrase-file ${masterKey.file}${keyElsewhere}`;
  return { ...versions, backup, undo };
}

/** Makes the data directory where there is none. Throws OperatorError when it cannot be used. */
export function prepareDataDirectory(dataDir: string): void {
  const setting = `SALLYPORT_DATA_DIR: ${dataDir}`;
  const found = attempt(`${setting} cannot be used`, () => statSync(dataDir, { throwIfNoEntry: false }));
  if (found !== undefined && !found.isDirectory())
    throw new OperatorError(`${setting} is a file and not a directory: name a directory, or remove the file`);
  attempt(`${setting} cannot be made`, () => mkdirSync(dataDir, { recursive: true, mode: 0o700 }));
  attempt(`${setting} cannot be written`, () => accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK));
  if (existsSync(join(dataDir, restoreMarker)))
    throw new OperatorError(
      `${setting} holds the pieces of a restore that was interrupted: run "sally operator restore FILE --replace" again`,
    );
}

/** Only a key that an earlier start made here: one that the operator named may be new. */
function refuseLoneKey({ file, mayCreate }: Config['masterKey'], dataDir: string): void {
  if (!mayCreate || !existsSync(file)) return;
  throw new OperatorError(
    `there is a master.key in ${dataDir} but no database that it belongs to: sallyport.db is lost. Bring it back (sally operator restore FILE --replace), or move master.key away to begin with an empty installation`,
  );
}

/**
 * A new key waits under another name until the database holds something that was sealed with it, so that a first start
 * that is interrupted leaves nothing that looks like a loss.
 */
function keyFor(
  { file, mayCreate }: Config['masterKey'],
  dataDir: string,
  fresh: boolean,
): Pick<DataDirectory, 'masterKeys' | 'settle'> & { readonly file: string } {
  const waiting = join(dataDir, 'master.key.new');
  const settle = (): void => {
    if (!mayCreate || !existsSync(waiting)) return;
    if (existsSync(file)) rmSync(waiting);
    else renameSync(waiting, file);
    syncDirectory(dataDir);
  };
  if (!mayCreate || existsSync(file)) return { file, masterKeys: readMasterKeys(file), settle };
  if (fresh) return { file: waiting, masterKeys: [writeMasterKey(waiting, randomBytes(32))], settle };
  if (existsSync(waiting)) return { file: waiting, masterKeys: readMasterKeys(waiting), settle };
  throw new OperatorError(
    `there is a database in ${dataDir} but no master.key: neither is of use without the other. Bring back the master.key that belongs to it, or both with "sally operator restore FILE --replace"`,
  );
}
