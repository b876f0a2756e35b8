import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { OperatorError } from '../errors.ts';
import { sqliteDialect } from './dialect.ts';
import { migrate } from './migrate.ts';
import type { Database } from './schema.ts';

/**
 * Opens the embedded database, alone: nobody else can open the file until it is closed. Migrates it to the present
 * schema. Commits are on disk when they return.
 */
export function openDatabase(file: string): Kysely<Database> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Never opened here once it exists: closing any descriptor of a file gives up all locks that this process has on it.
  if (!existsSync(file)) closeSync(openSync(file, 'wx', 0o600));
  chmodSync(file, 0o600);
  const database = new DatabaseSync(file);
  try {
    // Exclusive before WAL: then the index of the log stays in this process's memory, with no shared file.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('PRAGMA foreign_keys = ON');
    // Pages in the log before they are moved into the file: a page that changes again meanwhile is moved once.
    database.exec('PRAGMA wal_autocheckpoint = 4000');
    migrate(database);
  } catch (error) {
    database.close();
    throw isBusy(error) ? new OperatorError(`another controller uses this data directory: ${dirname(file)}`) : error;
  }
  return new Kysely<Database>({ dialect: sqliteDialect(database) });
}

const SQLITE_BUSY = 5;
const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === SQLITE_BUSY;
