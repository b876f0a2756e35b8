import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { assetFolder } from '@sallyport/program/place';
import { OperatorError } from '../errors.ts';

/**
 * Migrates a database to the newest version, each migration in its own transaction. There is no way back: a database
 * that is newer than this program is refused.
 */
export function migrate(database: DatabaseSync): void {
  refuseForeign(database);
  database.exec('CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT');
  const foreign = unknownMigrations(database);
  if (foreign.length > 0)
    throw new OperatorError(
      `the database was written by a newer version of Sallyport (${foreign.join(', ')}): start that version, or bring back a backup that this one made`,
    );
  const done = appliedMigrations(database);
  for (const name of knownMigrations()) if (!done.has(name)) apply(database, name);
}

/** Migrations of a newer version that the database already has. */
export function unknownMigrations(database: DatabaseSync): string[] {
  const known = knownMigrations();
  return [...appliedMigrations(database)].filter((name) => !known.includes(name));
}

function appliedMigrations(database: DatabaseSync): Set<string> {
  const applied = database.prepare('SELECT name FROM migrations ORDER BY name').all();
  return new Set(applied.map((row) => String(row.name)));
}

function knownMigrations(): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
}

// Compiled code runs from dist/, the SQL stays with the sources.
const folder = join(assetFolder('migrations'), 'sqlite');

/** A database of another program may have this name. */
function refuseForeign(database: DatabaseSync): void {
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  if (tables.length === 0 || tables.some(({ name }) => name === 'migrations')) return;
  throw new OperatorError(
    `${database.location() ?? 'the database'} is a database of another program: name another SALLYPORT_DATA_DIR`,
  );
}

function apply(database: DatabaseSync, name: string): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    database.exec(readFileSync(join(folder, name), 'utf8'));
    database.prepare('INSERT INTO migrations (name, applied_at) VALUES (?, unixepoch() * 1000)').run(name);
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw new Error(`migration ${name} failed`, { cause: error });
  }
}
