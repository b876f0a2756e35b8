import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { schemaOf } from '../db/migrate.ts';
import { ownMigrations, unusableMigrations } from '../db/schema-versions.ts';
import { OperatorError } from '../errors.ts';
import { createSecretBox } from '../secrets/box.ts';
import { identityFits } from '../secrets/identity.ts';
import { readMasterKeys } from '../secrets/master-key.ts';
import { isSystemError, systemReason } from '../system-error.ts';
import { type Manifest, unpackArchive } from './archive.ts';
import type { Pieces } from './bytes.ts';
import { type AskPassphrase, open } from './container.ts';
import { copyMarker } from './marker.ts';
import { writeNew } from './write.ts';

/** The content of a backup. */
export interface Contents {
  readonly createdAt: string;
  /** Version of the controller that made it. */
  readonly version: string;
  readonly encrypted: boolean;
  readonly tenants: readonly string[];
  readonly gateways: number;
  readonly devices: number;
  readonly users: number;
  readonly databaseBytes: number;
  readonly localGateway: boolean;
}

/**
 * Unpacks a backup into a new folder and checks it: nothing is missing or changed, this version can read the database,
 * the database is sound, and the master key fits. Throws OperatorError.
 */
export async function stage(file: Pieces, folder: string, ask: AskPassphrase): Promise<Contents> {
  let encrypted = false;
  const askOnce: AskPassphrase = () => {
    encrypted = true;
    return ask();
  };
  const manifest = await unpack(open(file, askOnce), folder);
  return { ...contentsOf(folder, manifest), encrypted };
}

async function unpack(content: Pieces, folder: string): Promise<Manifest> {
  try {
    return await unpackArchive(
      content,
      async (manifest) => checkComplete(manifest),
      async (name, pieces) => {
        mkdirSync(dirname(join(folder, name)), { recursive: true, mode: 0o700 });
        await writeNew(join(folder, name), pieces);
      },
    );
  } catch (error) {
    throw isSystemError(error)
      ? new OperatorError(`the backup cannot be unpacked in ${folder}: ${systemReason(error)}`)
      : error;
  }
}

function checkComplete({ entries }: Manifest): void {
  for (const needed of ['sallyport.db', 'master.key'] as const)
    if (!entries.some(({ name }) => name === needed)) throw new OperatorError(`there is no ${needed} in the backup`);
}

function contentsOf(folder: string, { createdAt, version, entries }: Manifest): Omit<Contents, 'encrypted'> {
  const database = new DatabaseSync(join(folder, 'sallyport.db'));
  try {
    checkDatabase(database, folder);
    const count = (table: string) => Number(database.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
    const tenants = database.prepare('SELECT name FROM tenants ORDER BY created_at, id').all();
    return {
      createdAt,
      version,
      tenants: tenants.map(({ name }) => String(name)),
      gateways: count('gateways'),
      devices: count('devices'),
      users: count('users'),
      databaseBytes: entries.find(({ name }) => name === 'sallyport.db')?.size ?? 0,
      localGateway: entries.some(({ name }) => name === 'gateway/identity.json'),
    };
  } catch (error) {
    if (!(error instanceof Error) || !('errcode' in error)) throw error;
    throw new OperatorError(`the database in the backup is damaged (${error.message}): use another backup`);
  } finally {
    database.close();
  }
}

function checkDatabase(database: DatabaseSync, folder: string): void {
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  const [sound] = Object.values(database.prepare('PRAGMA quick_check(1)').get() ?? {});
  if (sound !== 'ok') throw new OperatorError(`the database in the backup is damaged (${sound}): use another backup`);
  const newer = unusableMigrations(schemaOf(database), ownMigrations);
  if (newer.length > 0)
    throw new OperatorError(
      `the backup was made by a newer version of Sallyport (${newer.join(', ')}): restore it with that version`,
    );
  const meta = new Map(
    database
      .prepare('SELECT key, value FROM meta')
      .all()
      .map(({ key, value }) => [key, String(value)]),
  );
  const box = createSecretBox(...readMasterKeys(join(folder, 'master.key')));
  if (!identityFits(box, meta.get('identity') ?? ''))
    throw new OperatorError('the master key in the backup does not fit its database: use another backup');
  if (!meta.has(copyMarker))
    throw new OperatorError('the database in the backup is not marked as a copy: use another backup');
}
