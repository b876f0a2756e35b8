import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { assetFolder, version } from '@sallyport/program/place';
import { compareVersions, isVersion } from '@sallyport/release';
import { OperatorError } from '../errors.ts';

/** The migrations that a program has, and its version. */
export interface Migrations {
  /** Folder of the SQL files. */
  readonly folder: string;
  /** Version of the program. */
  readonly version: string;
}

/** The migrations of this program. */
export const ownMigrations: Migrations = { folder: join(assetFolder('migrations'), 'sqlite'), version };

/**
 * Migrates a database to the newest schema, all migrations in one transaction. A process that dies in between leaves the
 * old schema. Notes the version that did it, and the oldest version that can use the new schema: a migration names it in
 * a line `-- Oldest program: 0.3.0`, and without that line only the version that migrates can. Throws OperatorError when
 * the database is of another program or of a newer version.
 */
export function migrate(database: DatabaseSync, migrations: Migrations = ownMigrations): void {
  refuseUnusable(database, migrations);
  const pending = pendingMigrations(database, migrations);
  if (pending.length === 0) return;
  inTransaction(database, () => {
    for (const name of pending) apply(database, name, migrations);
    note(database, writtenBy, migrations.version);
    note(database, oldestProgram, oldestAfter(database, pending, migrations));
  });
}

/** Throws OperatorError when the database is of another program, or of a newer version that this one cannot live with. */
export function refuseUnusable(database: DatabaseSync, migrations: Migrations = ownMigrations): void {
  const tables = tablesOf(database);
  if (tables.size > 0 && !tables.has('migrations'))
    throw new OperatorError(
      `${database.location() ?? 'the database'} is a database of another program: name another SALLYPORT_DATA_DIR`,
    );
  const unusable = unusableMigrations(database, migrations);
  if (unusable.length === 0) return;
  const { writer, oldest } = versionsOf(database);
  const isNewer = writer !== null && compareVersions(writer, migrations.version) > 0;
  const named = [...(isNewer ? [writer] : []), ...unusable].join(', ');
  const start = isNewer && oldest !== null ? `version ${oldest} or newer` : 'that version';
  throw new OperatorError(
    `the database was written by a newer version of Sallyport (${named}): start ${start}, or bring back a backup that this version (${migrations.version}) made, with "sally operator restore FILE --replace". The upgrade left one in before-upgrade in the data directory (docs/backup.md)`,
  );
}

/** Returns migrations of a newer version that the database already has, unless they allow a program of this version. */
export function unusableMigrations(database: DatabaseSync, migrations: Migrations = ownMigrations): string[] {
  const known = new Set(knownMigrations(migrations));
  const unknown = [...appliedMigrations(database)].filter((name) => !known.has(name));
  const { writer, oldest } = versionsOf(database);
  if (writer === null || oldest === null) return unknown;
  // Notes of the same version do not cover migrations that this program does not have.
  const covered = compareVersions(writer, migrations.version) > 0 && compareVersions(migrations.version, oldest) >= 0;
  return covered ? [] : unknown;
}

/** Returns the names of migrations that the database does not have yet, in their order. */
export function pendingMigrations(database: DatabaseSync, migrations: Migrations = ownMigrations): string[] {
  const done = appliedMigrations(database);
  return knownMigrations(migrations).filter((name) => !done.has(name));
}

/** Returns the version that wrote the schema, and the oldest that can use it. Null: older than these notes. */
export function versionsOf(database: DatabaseSync): { readonly writer: string | null; readonly oldest: string | null } {
  if (!tablesOf(database).has('meta')) return { writer: null, oldest: null };
  const read = (key: string): string | null => {
    const row = database.prepare('SELECT value FROM meta WHERE key = ?').get(key);
    return row === undefined ? null : String(row.value);
  };
  const version = (key: string): string | null => {
    const text = read(key);
    return text === null || !isVersion(text) ? null : text;
  };
  return { writer: version(writtenBy), oldest: version(oldestProgram) };
}

const writtenBy = 'schema_written_by';
const oldestProgram = 'schema_oldest_program';

const tablesOf = (database: DatabaseSync): Set<string> =>
  new Set(
    database
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
      .all()
      .map(({ name }) => String(name)),
  );

function appliedMigrations(database: DatabaseSync): Set<string> {
  if (!tablesOf(database).has('migrations')) return new Set();
  const applied = database.prepare('SELECT name FROM migrations ORDER BY name').all();
  return new Set(applied.map((row) => String(row.name)));
}

function knownMigrations({ folder }: Migrations): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
}

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    database.exec('CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT');
    work();
    database.exec('COMMIT');
  } catch (error) {
    // A full disk has ended the transaction already.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function apply(database: DatabaseSync, name: string, migrations: Migrations): void {
  try {
    database.exec(textOf(name, migrations));
    database.prepare('INSERT INTO migrations (name, applied_at) VALUES (?, unixepoch() * 1000)').run(name);
  } catch (error) {
    throw new Error(`migration ${name} failed`, { cause: error });
  }
}

/** The newest of the versions that the migrations name, and of the one that the database had. */
function oldestAfter(database: DatabaseSync, applied: readonly string[], migrations: Migrations): string {
  const named = applied.map((name) => oldestOf(name, migrations));
  const before = versionsOf(database).oldest;
  return [...(before === null ? [] : [before]), ...named].reduce((a, b) => (compareVersions(a, b) < 0 ? b : a));
}

function oldestOf(name: string, migrations: Migrations): string {
  const line = /^-- Oldest program: *(.*?) *$/m.exec(textOf(name, migrations));
  if (line === null) return migrations.version;
  const [, named = ''] = line;
  if (!isVersion(named)) throw new Error(`migration ${name} names no version as its oldest program: ${named}`);
  return named;
}

const textOf = (name: string, { folder }: Migrations): string => readFileSync(join(folder, name), 'utf8');

function note(database: DatabaseSync, key: string, value: string): void {
  database.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(key, value);
}
